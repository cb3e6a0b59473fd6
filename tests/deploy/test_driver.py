"""`keepstone deploy`, from an empty folder to nothing left: real Terraform and provider, a simulated AWS."""

import fcntl
import json
import signal
import time

import pytest
from tests.deploy.place import Place, Run, ended
from tests.deploy.rights import granted, needed
from tests.services.terraform import needs_terraform
from tests.simulators.aws.server import aws_server

from keepstone.ledger.whole import WholeReader

pytestmark = [needs_terraform, pytest.mark.deploy_trial]

DEPLOYMENT = """\
  variables:
    content_filters: {{prompt_attack: {{input_strength: {strength}, output_strength: NONE}}}}
    knowledge_base_latency_metric: {{namespace: Platform/Retrieval, name: Latency}}
    critical_alert_subscriptions: {{ops: {{protocol: email, endpoint: ops@example.com}}}}
"""


def write(place: Place, strength: str) -> None:
    place.write(DEPLOYMENT.format(strength=strength))


def assert_allowed(place: Place, called: set[tuple[str, str]]) -> None:
    """Every call that Terraform made is one that `iam-policy deployer` allows."""
    status, printed, _ = place.deploy("iam-policy", "deployer")
    assert status == 0
    assert sorted(needed(called) - granted(json.loads(printed))) == []


def noted(place: Place) -> set[str]:
    """What Terraform knows to be made, by address in the module."""
    state = json.loads((place.folder / "deployment" / "terraform.tfstate").read_text())
    return {f"{each['type']}.{each['name']}" for each in state["resources"] if each["mode"] == "managed"}


def ended_at(place: Place, words: str, number: signal.Signals) -> Run:
    """Apply, and send a signal to `keepstone` alone when it says these words."""
    with place.start("apply") as applying:
        said = []
        for line in applying.stderr:
            said.append(line)
            if words in line:
                break
        applying.send_signal(number)
        status, out, rest = ended(applying)
        return status, out, "".join([*said, rest])


def until_unlocked(place: Place) -> None:
    """Wait until no Terraform holds the state any more."""
    deadline = time.monotonic() + 60
    with (place.folder / "deployment" / "terraform.tfstate").open("r+") as state:
        while time.monotonic() < deadline:
            try:
                fcntl.lockf(state, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.2)
            else:
                return
    raise AssertionError


def test_the_way_of_a_deployment(tmp_path) -> None:
    with aws_server() as aws:
        place = Place(tmp_path, aws)
        write(place, "LOW")
        assert place.deploy("init")[0] == 0
        assert place.deploy("apply")[0] == 2  # nothing was planned yet
        assert place.deploy("plan")[0] == 0
        status, _, refused = place.deploy("apply")
        assert status == 2
        assert "KS-GRD-001 fails at" in refused
        assert "--accept KS-GRD-001" in refused

        write(place, "HIGH")
        status, _, refused = place.deploy("apply")
        assert (status, "the policy is not the one that was planned" in refused) == (2, True)
        status, planned, said = place.deploy("plan")
        assert status == 0, said
        assert "USD a month" in planned

        # Interrupted, and killed outright: Terraform ends in order, and the next apply goes on.
        status, _, said = ended_at(place, "lifecycle_configuration.logs: Still creating", signal.SIGINT)
        assert (status, "Terraform is told to end" in said, "error: interrupted" in said) == (130, True, True)
        made = noted(place)
        assert "aws_kms_key.this" in made
        assert place.deploy("plan")[0] == 0
        assert (
            ended_at(place, "lifecycle_configuration.logs: Still creating", signal.SIGKILL)[0]
            == -signal.SIGKILL
        )
        until_unlocked(place)
        assert noted(place) >= made

        status, _, said = place.deploy("plan")
        assert status == 0, said
        status, applied, said = place.deploy("apply")
        assert status == 0, said
        assert "production-bedrock" in applied
        assert place.deploy("drift")[0] == 0

        aws.client("bedrock").delete_model_invocation_logging_configuration()
        status, drift, _ = place.deploy("drift", "--format", "json")
        assert status == 1
        (change,) = json.loads(drift)["changes"]
        assert change["resource"] == "aws_bedrock_model_invocation_logging_configuration.this[0]"
        assert "KS-LOG-001" in change["checks"]
        assert change["who"]

        assert place.deploy("destroy")[0] == 2  # without the environment's name
        assert place.deploy("destroy", "--yes-destroy", "production")[0] == 0
        assert aws.client("bedrock").list_guardrails()["guardrails"] == []
        assert_allowed(place, aws.called_by_terraform)
    entries = WholeReader(tmp_path / ".keepstone" / "ledger").entries()
    assert [json.loads(data)["event"] for _, data in entries] == [
        "deploy.apply_begun",
        "deploy.apply_failed",
        "deploy.apply_begun",
        "deploy.apply_begun",
        "deploy.applied",
        "deploy.destroy_begun",
        "deploy.destroyed",
    ]
