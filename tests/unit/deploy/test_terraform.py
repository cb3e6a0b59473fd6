"""Terraform's words become progress, warnings and errors with a hint; a stand-in says them."""

import json
import stat

import pytest

from keepstone.core.errors import DeployError
from keepstone.deploy.terraform import Terraform


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Let a script stand for Terraform: it prints these lines and ends with this code."""

    def stand_in(lines, code=0, account=""):
        text = "".join(f"{json.dumps(each) if isinstance(each, dict) else each}\n" for each in lines)
        (tmp_path / "lines").write_text(text)
        script = tmp_path / "terraform"
        script.write_text(f"#!/bin/sh\ncat '{tmp_path}/lines'\nexit {code}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("KEEPSTONE_TERRAFORM", str(script))
        told = []
        return Terraform(tmp_path, told.append, account=account), told

    return stand_in


def diagnostic(severity, summary, detail="", address=""):
    return {
        "type": "diagnostic",
        "@message": summary,
        "diagnostic": {"severity": severity, "summary": summary, "detail": detail, "address": address},
    }


def test_progress_and_warnings(said) -> None:
    terraform, told = said(
        [
            {"type": "version", "@message": "Terraform 1.11.4"},
            {"type": "apply_start", "@message": "data.x: Refreshing...", "hook": {"action": "read"}},
            {
                "type": "apply_start",
                "@message": "module.bedrock_solution.aws_kms_key.this: Creating...",
                "hook": {"action": "create"},
            },
            "a line of the provider's",
            diagnostic("warning", "Check block assertion failed", "A range has\n host bits"),
            {"type": "apply_complete", "@message": "aws_kms_key.this: Creation complete after 1s"},
        ]
    )
    (warning,) = terraform.apply("plan")
    assert warning.detail == "A range has\n host bits"
    assert told == ["aws_kms_key.this: Creating...", "aws_kms_key.this: Creation complete after 1s"]


@pytest.mark.parametrize(
    ("summary", "detail", "hint"),
    [
        ("No valid credential sources found", "", "credentials are missing"),
        ("Retrieving AWS account details", "api error InvalidClientTokenId: no", "not valid"),
        ("creating KMS Key", "api error AccessDeniedException", "may not do that"),
        ("Error acquiring the state lock", "ID: 1", "force-unlock"),
        ("Saved plan is stale", "", "keepstone deploy plan"),
        ("Failed to read plan from plan file", "", "the plan is damaged"),
        ("reading KMS Key", "UnrecognizedClientException: no", "not valid"),
        ("reading VPC", "api error AuthFailure: no", "not valid"),
        ("reading Role", "api error SignatureDoesNotMatch: no", "secret key is wrong"),
        ("Failed to save state", "write errored.tfstate: no space left on device", "make room"),
        ("creating", "dial tcp: lookup kms: no such host", "network"),
        ("something else", "", "go on from what there is"),
    ],
)
def test_an_error_has_a_hint(said, summary, detail, hint) -> None:
    terraform, _ = said([diagnostic("error", summary, detail, "aws_kms_key.this")], 1)
    with pytest.raises(DeployError) as caught:
        terraform.apply("plan")
    assert summary in caught.value.message
    assert "aws_kms_key.this" in caught.value.message
    assert hint in caught.value.hint


STRANGE = "AWS account ID not allowed: 123456789012"


def test_another_account_is_told_in_our_words(said) -> None:
    terraform, _ = said([diagnostic("error", STRANGE)], 1, "999999999999")
    with pytest.raises(DeployError) as caught:
        terraform.plan("out")
    text = "the credentials are of account `123456789012`, the policy deploys to `999999999999`"
    assert (caught.value.message, caught.value.code) == (text, "deploy.account")


ROLE = "module.bedrock_solution.aws_iam_role.access"
LOG = 'module.bedrock_solution.aws_cloudwatch_log_group.this["a"]'
TAKEN = [
    ("creating IAM Role (a): api error EntityAlreadyExists: it is there", ROLE),
    ("creating Log Group (b): ResourceAlreadyExistsException: it is there", LOG),
]


@pytest.mark.parametrize(
    ("errors", "hinted"),
    [
        (TAKEN[:1], f" import '{ROLE}' ID`"),
        (TAKEN, f" import '{ROLE}' ID` takes it in, the same for `{LOG}`"),
        ([("something else", "aws_kms_key.this"), TAKEN[1]], f" import '{LOG}' ID`"),
        ([("creating Guardrail: api error ConflictException: a name", ROLE)], f" import '{ROLE}' ID`"),
        ([("Creating guardrail: ConflictException: it already has this name", LOG)], f" import '{LOG}' ID`"),
    ],
)
def test_what_is_there_and_not_in_the_state_can_be_taken_in(said, tmp_path, errors, hinted) -> None:
    terraform, _ = said([diagnostic("error", summary, "", address) for summary, address in errors], 1)
    with pytest.raises(DeployError) as caught:
        terraform.apply("plan")
    assert f"terraform -chdir={tmp_path}{hinted}" in caught.value.hint
    assert caught.value.code == "deploy.exists"


@pytest.mark.parametrize(
    ("command", "summary"),
    [
        ("apply", "updating Guardrail: ConflictException: it is being updated"),
        ("plan", "creating IAM Role (a): EntityAlreadyExists"),
    ],
)
def test_not_every_conflict_is_a_case_for_an_import(said, command, summary) -> None:
    terraform, _ = said([diagnostic("error", summary, "", ROLE)], 1)
    with pytest.raises(DeployError) as caught:
        getattr(terraform, command)("plan")
    assert "import" not in caught.value.hint


def test_what_is_denied_is_no_case_for_an_import(said) -> None:
    terraform, _ = said([diagnostic("error", *TAKEN[0]), diagnostic("error", "api error AccessDenied")], 1)
    with pytest.raises(DeployError) as caught:
        terraform.apply("plan")
    assert caught.value.code == "deploy.denied"


def test_an_end_without_words_is_an_error(said) -> None:
    terraform, _ = said([], 1)
    with pytest.raises(DeployError, match="ended with 1"):
        terraform.plan("out")


def test_init_says_why_it_refuses(said) -> None:
    terraform, _ = said(
        ["╷", "│ Error: Failed to query available provider packages", "│ ", "│ Could not retrieve"], 1
    )
    with pytest.raises(DeployError, match="Failed to query available provider packages: Could not retrieve"):
        terraform.init()


def test_no_terraform_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KEEPSTONE_TERRAFORM", str(tmp_path / "none"))
    with pytest.raises(DeployError, match="not on this machine"):
        Terraform(tmp_path, print)


LEADS = {
    "AWS_BEARER_TOKEN_BEDROCK": "ks_85fb83218323_x",
    "AWS_ENDPOINT_URL_BEDROCK": "https://127.0.0.1:8080",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://127.0.0.1:8080",
}


@pytest.mark.parametrize(("key", "kept"), [("ks_85fb83218323_x", False), ("bedrock-api-key-x", True)])
def test_what_leads_a_client_to_the_gateway_does_not_lead_terraform_there(
    key, kept, tmp_path, monkeypatch
) -> None:
    script = tmp_path / "terraform"
    names = "|".join(LEADS)
    script.write_text(f"#!/bin/sh\nenv | grep -E '^({names})=' > '{tmp_path}/seen'\necho '{{}}'\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("KEEPSTONE_TERRAFORM", str(script))
    for name, value in (LEADS | {"AWS_BEARER_TOKEN_BEDROCK": key}).items():
        monkeypatch.setenv(name, value)
    Terraform(tmp_path, print).outputs()
    assert bool((tmp_path / "seen").read_text()) is kept
