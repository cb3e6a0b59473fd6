"""Plans and states become facts: what is known, what is not, and where it comes from."""

import contextlib
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepstone.core.errors import UsageError
from keepstone.posture.documents import Statement
from keepstone.posture.kinds import Kind
from keepstone.posture.readers import source
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.snapshot import Snapshot
from keepstone.posture.values import NotKnown, Unknown
from tests.unit.posture.documents import change, plan, resource, saved, state, written

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = change("aws_kms_key.ai", {"enable_key_rotation": True}, {"arn": True, "policy": True})
AGENT = "aws_bedrockagent_agent.one"


@pytest.fixture
def facts(tmp_path):
    def facts_of(document) -> Snapshot:
        return read(saved(tmp_path, document), NOW)

    return facts_of


def agent(root: dict, unknown: dict, *others: dict, **after) -> dict:
    return plan(change(AGENT, after, unknown), KEY, *others, root=root)


def test_a_plan_says_where_it_was_read(facts):
    found = facts(plan(KEY)).provenance
    assert (found.source, found.name, found.whole) == ("plan", "document.json", False)
    assert found.read_at == "2026-11-21T12:00:00+00:00"
    assert found.made_by == "terraform 1.11.4, format 1.2"
    assert found.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("references", "sources"),
    [
        (("aws_kms_key.ai.arn", "aws_kms_key.ai"), ("aws_kms_key.ai",)),
        (("var.on", "aws_kms_key.ai.arn", "aws_kms_key.ai"), ("aws_kms_key.ai",)),
        (("local.key",), ()),
        (("local.on", "aws_kms_key.ai.arn", "aws_kms_key.ai"), ()),
        (("aws_kms_key.gone.arn", "aws_kms_key.gone"), ()),
        (("module.keys.arn", "module.keys"), ("module.keys.aws_kms_key.inner",)),
        (("module.keys",), ()),
        (("data.aws_kms_key.read.arn", "data.aws_kms_key.read"), ()),
    ],
)
def test_what_is_unknown_has_sources_where_they_can_be_followed(facts, references, sources):
    inner = change("module.keys.aws_kms_key.inner", {}, {"arn": True})
    keys = {
        "module": {
            "outputs": {"arn": {"expression": {"references": ["aws_kms_key.inner.arn", "aws_kms_key.inner"]}}}
        }
    }
    root = {
        "resources": [written(AGENT, customer_encryption_key_arn=references)],
        "module_calls": {"keys": keys},
    }
    found = facts(agent(root, {"customer_encryption_key_arn": True}, inner)).of(Kind.AGENT)[0].value("key")
    assert isinstance(found, Unknown)
    assert found.sources == sources


def test_an_input_of_a_module_is_followed_to_who_calls_it(facts):
    nested = change(
        "module.a.module.b[0].aws_bedrockagent_agent.in", {}, {"customer_encryption_key_arn": True}
    )
    b = {
        "expressions": {"key": {"references": ["var.key"]}},
        "module": {
            "resources": [written("aws_bedrockagent_agent.in", customer_encryption_key_arn=("var.key",))]
        },
    }
    a = {
        "expressions": {"key": {"references": ["aws_kms_key.ai.arn", "aws_kms_key.ai"]}},
        "module": {"module_calls": {"b": b}},
    }
    found = facts(plan(nested, KEY, root={"module_calls": {"a": a}})).of(Kind.AGENT)[0].value("key")
    assert found.sources == ("aws_kms_key.ai",)


@pytest.mark.parametrize(
    ("references", "sources"),
    [
        (("aws_kms_key.each", "each.key"), ('aws_kms_key.each["a"]',)),
        (
            ("aws_kms_key.each", "each.value.key", "each.value"),
            ('aws_kms_key.each["a"]', 'aws_kms_key.each["b"]'),
        ),
        (
            ('aws_kms_key.each["b"].arn', 'aws_kms_key.each["b"]', "aws_kms_key.each"),
            ('aws_kms_key.each["b"]',),
        ),
    ],
)
def test_one_of_many_is_found_by_its_key(facts, references, sources):
    keys = [change(f'aws_kms_key.each["{name}"]', {}, {"arn": True}) for name in "ab"]
    group = change('aws_cloudwatch_log_group.each["a"]', {"retention_in_days": 90}, {"kms_key_id": True})
    root = {"resources": [written("aws_cloudwatch_log_group.each", kms_key_id=references)]}
    found = facts(plan(group, *keys, root=root)).of(Kind.LOG_GROUP)[0].value("key")
    assert found.sources == sources


def test_what_is_left_to_aws_is_not_set(facts):
    root = {"resources": [written(AGENT, agent_name="one")]}
    found = facts(agent(root, {"customer_encryption_key_arn": True})).of(Kind.AGENT)[0]
    assert found.value("key") is None


def test_without_the_configuration_nothing_is_claimed(facts):
    document = agent({}, {"customer_encryption_key_arn": True})
    del document["configuration"]
    found = facts(document).of(Kind.AGENT)[0].value("key")
    assert isinstance(found, Unknown)
    assert found.sources == ()


def test_what_is_destroyed_is_not_there(facts):
    gone = change("aws_kms_key.old", None, actions=["delete"])
    replaced = change("aws_kms_key.new", {"enable_key_rotation": True}, actions=["delete", "create"])
    assert [each.address for each in facts(plan(gone, replaced)).resources] == ["aws_kms_key.new"]


def test_what_is_sensitive_is_not_looked_at(facts):
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "bedrock:*", "Resource": "secret-arn"}]})
    document = plan(change("aws_iam_policy.p", {"policy": policy}, sensitive={"policy": True}))
    found = facts(document).of(Kind.POLICY)[0].value("policy")
    assert isinstance(found, Unknown)
    assert "sensitive" in found.reason
    assert "secret-arn" not in repr(facts(document).resources)


def test_a_document_that_is_read_during_apply_is_judged_by_its_statements(facts):
    data = change(
        "data.aws_iam_policy_document.d",
        {
            "statement": [
                {"sid": "A", "actions": ["bedrock:*"], "resources": [None], "effect": None, "condition": []}
            ]
        },
        {"json": True, "statement": [{"resources": [True]}]},
        actions=["read"],
    )
    root = {
        "resources": [
            written(
                "aws_iam_policy.p",
                policy=("data.aws_iam_policy_document.d.json", "data.aws_iam_policy_document.d"),
            )
        ]
    }
    found = facts(plan(change("aws_iam_policy.p", {}, {"policy": True}), data, root=root))
    (statement,) = found.of(Kind.POLICY)[0].value("policy")
    assert isinstance(statement, Statement)
    assert (statement.sid, statement.effect, statement.actions) == ("A", "Allow", ("bedrock:*",))
    with pytest.raises(NotKnown):
        assert "*" in statement.resources


BUCKET = change("aws_s3_bucket.logs", {"bucket": "logs"}, {"id": True, "policy": True})
VERSIONS = {"versioning_configuration": [{"status": "Enabled"}]}


@pytest.mark.parametrize(
    ("after", "unknown", "references", "versioning"),
    [
        ({"bucket": "logs"}, {}, (), "Enabled"),
        ({"bucket": "others"}, {}, (), None),
        ({}, {"bucket": True}, ("aws_s3_bucket.logs.id", "aws_s3_bucket.logs"), "Enabled"),
        ({}, {"bucket": True}, ("local.bucket",), Unknown),
    ],
)
def test_what_is_said_elsewhere_belongs_to_its_bucket(facts, after, unknown, references, versioning):
    beside = change("aws_s3_bucket_versioning.v", {**after, **VERSIONS}, unknown)
    root = {
        "resources": [written("aws_s3_bucket_versioning.v", bucket=references, versioning_configuration=1)]
    }
    found = facts(plan(BUCKET, beside, root=root)).of(Kind.BUCKET)[0].value("versioning")
    assert isinstance(found, Unknown) if versioning is Unknown else found == versioning


def test_a_state_is_read_through_nested_modules(facts):
    inner = {"resources": [resource("module.a.module.b.aws_kms_key.k", {"arn": "arn:k", "policy": None})]}
    outer = {"resources": [], "child_modules": [inner]}
    group = resource(
        "aws_cloudwatch_log_group.g", {"name": "g", "kms_key_id": "arn:k", "retention_in_days": 0}
    )
    found = facts(state(group, children=(outer,)))
    assert found.provenance.source == "state"
    assert [each.kind for each in found.resources] == [Kind.LOG_GROUP, Kind.KEY]
    assert found.candidates(Kind.KEY, found.resources[0].value("key")) == (found.resources[1],)


def test_what_is_sensitive_in_a_state_is_not_looked_at(facts):
    credential = resource(
        "aws_iam_service_specific_credential.c",
        {"service_name": "bedrock.amazonaws.com", "service_password": "hunter2"},
        {"service_password": True},
    )
    found = facts(state(credential))
    assert found.of(Kind.API_KEY)[0].value("service") == "bedrock.amazonaws.com"
    assert "hunter2" not in repr(found)


def test_addresses_of_subscribers_are_not_kept(facts):
    topic = resource("aws_sns_topic.t", {"arn": "arn:t", "name": "t", "policy": None})
    heard = resource(
        "aws_sns_topic_subscription.s",
        {"topic_arn": "arn:t", "protocol": "email", "endpoint": "ops@example.com"},
    )
    found = facts(state(topic, heard))
    assert found.of(Kind.TOPIC)[0].value("subscribers") == 1
    assert "ops@example.com" not in repr(found)


def test_types_that_nothing_reads_are_named(facts):
    found = facts(state(resource("aws_kms_key.k", {}), resource("aws_ecs_cluster.c", {})))
    assert found.unread == ("aws_ecs_cluster",)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "no JSON"),
        ("resource {", "no JSON"),
        ('{"format_version": "1.2", "resource_changes": [{"addr', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "no `format_version`"),
        ({"format_version": 1}, "no `format_version`"),
        ({"format_version": "2.0", "resource_changes": []}, "format `2.0`, expected `1.x`"),
        ({"format_version": "1.0"}, "holds no resources"),
        ({"format_version": "1.0", "values": None}, "holds no resources"),
        ({"version": 4, "serial": 3, "lineage": "x", "resources": []}, "state file itself"),
        (plan(KEY, errored=True), "a plan that failed"),
        (plan({"address": "aws_kms_key.k"}), "does not have the shape of a plan"),
        (plan({"address": 3, "type": [], "change": {"actions": "x"}}), "does not have the shape of a plan"),
        (state("text"), "does not have the shape of a state"),
    ],
)
def test_what_is_no_plan_is_refused_with_what_to_do(facts, document, message):
    with pytest.raises(UsageError, match=message) as caught:
        facts(document)
    assert caught.value.hint


def test_a_plan_in_terraforms_own_form_is_named(tmp_path):
    path = tmp_path / "plan.out"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match="Terraform's own form"):
        read(path, NOW)


def test_what_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    with pytest.raises(UsageError, match="the most that is read"):
        read(path, NOW)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_devices_are_refused_before_they_are_opened(path):
    with pytest.raises(UsageError, match="a terminal or another device, expected a file or a pipe") as caught:
        read(Path(path), NOW)
    assert caught.value.hint


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read(tmp_path, NOW)


@pytest.fixture
def pipe():
    """Give a way to write a text into a pipe and get its path, as `<(...)` of a shell does."""
    ends: list[int] = []

    def written_to(text: bytes) -> tuple[Path, int]:
        out, into = os.pipe()
        ends.append(out)
        threading.Thread(target=fill, args=(into, text)).start()
        return Path(f"/dev/fd/{out}"), out

    yield written_to
    for each in ends:
        os.close(each)


def fill(end: int, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(end, "wb") as file:
        file.write(text)


def test_a_pipe_is_read_to_its_end(pipe):
    path, _ = pipe(json.dumps(plan(KEY)).encode())
    assert len(read(path, NOW).resources) == 1


def test_a_pipe_that_does_not_end_is_not_read_on(pipe, monkeypatch):
    monkeypatch.setattr(source, "LARGEST", 3 * 1024 * 1024)
    path, _ = pipe(b" " * 8 * 1024 * 1024)
    with pytest.raises(UsageError, match="does not end, the most that is read is 3145728 bytes"):
        read(path, NOW)


def test_standard_input_is_a_dash(pipe):
    _, end = pipe(json.dumps(plan(KEY)).encode())
    before = os.dup(0)
    try:
        os.dup2(end, 0)
        assert read(Path("-"), NOW).provenance.name == "standard input"
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"), (b"", "utf-8")],
)
def test_a_text_is_read_by_its_mark(tmp_path, mark, encoding):
    path = tmp_path / "plan.json"
    path.write_bytes(mark + json.dumps(plan(KEY, x="Zoë"), ensure_ascii=False).encode(encoding))
    assert len(read(path, NOW).resources) == 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (json.dumps(plan(KEY)).encode("utf-16-le"), "looks like UTF-16 without a mark, expected UTF-8"),
        (json.dumps(plan(KEY)).encode("utf-16-be"), "looks like UTF-16 without a mark, expected UTF-8"),
        (b"\xff\xfe{\x00}", "says that it is UTF-16-LE, and is not"),
        (b"\xff\xfe\x00\xd8{\x00", "says that it is UTF-16-LE, and is not"),
    ],
)
def test_a_text_that_cannot_be_told_is_named(tmp_path, raw, message):
    path = tmp_path / "plan.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match=message) as caught:
        read(path, NOW)
    assert "Out-File -Encoding utf8" in caught.value.hint
