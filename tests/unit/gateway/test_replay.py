"""Recorded calls against a changed policy: what changes, what does not, and what nobody can tell."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from keepstone.cli.policy import policy as command
from keepstone.gateway.replay import Replay
from keepstone.ledger.record import (
    Caller,
    ExchangeRecord,
    FindingNote,
    ReasonNote,
    Tokens,
    UpstreamNote,
    encode,
)
from keepstone.ledger.writer import Ledger
from keepstone.policy.compile import compile_policy
from tests.unit.ledger.support import KEY, QuickDisk
from tests.unit.policy.documents import loaded
from tests.unit.policy.test_conditions import DOCUMENT

THEN = compile_policy(loaded(DOCUMENT))


def record(role: str = "trusted", **more) -> ExchangeRecord:
    fields = {
        "kind": "exchange",
        "id": "1",
        "time": "2026-11-20T12:00:00.000000Z",
        "principal": Caller("p", "api-key", (role,), "k1"),
        "operation": "Converse",
        "model": "both",
        "data_class": "Public",
        "class_from": "header",
        "policy": THEN.hash,
        "outcome": "allow",
        "upstream": UpstreamNote("frankfurt", "both", 1),
    }
    return ExchangeRecord(**{**fields, **more})


def refused(code: str, **more) -> ExchangeRecord:
    return record(outcome="refuse", reasons=(ReasonNote(code),), upstream=UpstreamNote(), **more)


def replayed(records, *changes: tuple[str, str], known=THEN):
    text = DOCUMENT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    documents = {known.hash: known} if known else {}
    return Replay(compile_policy(loaded(text)), documents).feed(records)


LOWER = ("eu-central-1, max_data_class: Restricted", "eu-central-1, max_data_class: Internal")
CLOSED = ('trusted:\n      allow: [{models: ["*"], max_data_class: Restricted}]', "trusted:\n      allow: []")
RAISED = (
    'weekend-off:\n      allow: [{models: ["*"]}]',
    'weekend-off:\n      allow: [{models: ["*"], max_data_class: Restricted}]',
)
NO_EUROPE = ("upstreams: [oregon, frankfurt]", "upstreams: [oregon]")
MAIL = FindingNote("input", "EMAIL", "NONE", 1)

CHANGED = {
    "a role that may nothing now": (record(), [CLOSED], ("refused", "admitted", "no_rule_allows")),
    "a clearance": (
        record(data_class="Confidential"),
        [LOWER],
        ("refused", "admitted", "data_class_too_high"),
    ),
    "a refusal that is none now": (
        refused("data_class_too_high", role="weekend-off", data_class="Confidential"),
        [RAISED],
        ("admitted", "data_class_too_high", "admitted"),
    ),
    "another upstream": (record(), [NO_EUROPE], ("rerouted", "frankfurt", "oregon")),
    "a higher default": (
        record("weekend-off", class_from="default"),
        [("default_class: Public", "default_class: Confidential")],
        ("refused", "admitted", "data_class_too_high"),
    ),
    "what was found counts more": (
        record(findings=(MAIL,), data_class="Confidential", stated_class="Public", class_from="content"),
        [("default_class: Public", "default_class: Public\n  detected: {EMAIL: Restricted}"), LOWER],
        ("refused", "admitted", "data_class_too_high"),
    ),
    "a purpose that is gone": (
        record("desk", purpose="support"),
        [("  support:", "  help:"), ("[support]", "[help]")],
        ("refused", "admitted", "purpose_unknown"),
    ),
    "hours": (
        record("night", time="2026-11-20T21:30:00.000000Z"),  # half past ten in Berlin
        [("22:00-06:00", "23:00-06:00")],
        ("refused", "admitted", "outside_hours"),
    ),
}


@pytest.mark.parametrize("row", CHANGED.values(), ids=CHANGED)
def test_a_call_changes(row) -> None:
    entry, changes, expected = row
    found = replayed([entry], *changes)
    ((effect, (count, identity)),) = found.changed.items()
    assert (effect.effect, effect.was, effect.becomes) == expected
    assert (count, identity, found.unknown) == (1, "1", 0)


UNCHANGED = {
    "an admitted call": (record(), []),
    "under other settings": (record(), [("description: answering customers", "description: helping")]),
    "a refusal that stays": (refused("denied_by_rule"), [CLOSED]),
    "a narrow key": (refused("out_of_key_scope"), [LOWER]),
    "a blocked text": (
        refused("input_blocked"),
        [("purposes: [support], max", "purposes: [marketing], max")],
    ),
}


@pytest.mark.parametrize("row", UNCHANGED.values(), ids=UNCHANGED)
def test_a_call_does_not_change(row) -> None:
    entry, changes = row
    found = replayed([entry], *changes)
    assert (found.calls, found.unchanged, found.changed, found.untold) == (1, 1, {}, {})


UNTOLD = {
    "another guardrail": (
        record(),
        [("EMAIL: BLOCK", "EMAIL: ANONYMIZE")],
        THEN,
        "guardrail `strict` differs, and records hold no text",
    ),
    "a policy nobody has": (record(), [LOWER], None, "the policy of then is not at hand"),
    "a key's scope": (
        refused("model_unknown", model="new"),
        [("models:\n", "models:\n  - {id: new, upstreams: [lab]}\n")],
        THEN,
        "the scope of the caller's key is not in the record",
    ),
    "a key's least class": (
        record(class_from="default", data_class="Confidential"),
        [LOWER],
        THEN,
        "the least class of the caller's key is not in the record",
    ),
    "purposes of a policy nobody has": (
        record("weekend-off"),
        [("data:\n", "data:\n  require_purpose: true\n")],
        None,
        "purposes were not recorded under the policy of then",
    ),
}


@pytest.mark.parametrize("row", UNTOLD.values(), ids=UNTOLD)
def test_nobody_can_tell(row) -> None:
    entry, changes, known, because = row
    found = replayed([entry], *changes, known=known)
    assert found.untold == {because: 1}
    assert not found.changed


def test_limits_are_counted_anew() -> None:
    calls = [record(tokens=Tokens(30, 30), time=f"2026-11-20T12:00:0{n}.000000Z") for n in range(4)]
    tight = ("guardrails:\n", "limits: [{name: few, tokens: 100}]\nguardrails:\n")
    found = replayed(calls, tight)
    ((effect, (count, _)),) = found.changed.items()
    assert (effect.effect, effect.becomes, count, found.unchanged) == ("refused", "token_limit_spent", 3, 1)
    (effect,) = replayed([refused("request_limit_spent")], tight).changed
    assert (effect.effect, effect.was) == ("admitted", "request_limit_spent")


def test_what_never_reached_the_policy_is_skipped() -> None:
    entries = [
        refused("credentials_unknown", principal=Caller(), data_class=""),
        record(kind="closed"),
        record(kind="event", id="", event="gateway.started"),
        record(kind="opened"),
    ]
    found = replayed(entries)
    assert (found.calls, found.skipped, found.unchanged) == (1, 1, 1)


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        Path("keepstone.yaml").write_text(DOCUMENT)
        told: list = []
        ledger = Ledger.open(tmp_path / "ledger", KEY, disk=QuickDisk(), notify=lambda *_: told.append(1))
        for day in (18, 19, 20):
            ledger.append(encode(record(time=f"2026-11-{day}T12:00:00.000000Z")))
        ledger.close()
        return tmp_path

    def run(self, *arguments: str):
        return CliRunner().invoke(command, ["replay", "--ledger", "ledger", *arguments])

    def test_the_same_policy(self, folder: Path) -> None:
        result = self.run("--policy", "keepstone.yaml")
        assert (result.exit_code, result.stdout) == (
            0,
            "3 calls: 3 unchanged, 0 changed, 0 could not be told; 0 never reached the policy\n",
        )

    def test_a_change(self, folder: Path) -> None:
        Path("new.yaml").write_text(DOCUMENT.replace(*CLOSED))
        result = self.run("--policy", "new.yaml", "--since", "2026-11-19", "--format", "json")
        told = json.loads(result.stdout)
        assert (result.exit_code, told["calls"], told["changed"]) == (1, 2, 2)
        assert told["changes"][0]["becomes"] == "no_rule_allows"

    def test_a_guardrail_cannot_be_replayed(self, folder: Path) -> None:
        Path("new.yaml").write_text(DOCUMENT.replace("EMAIL: BLOCK", "EMAIL: ANONYMIZE"))
        result = self.run("--policy", "new.yaml")
        assert result.exit_code == 3
        assert "could not tell: 3 calls: guardrail `strict` differs" in result.stderr

    def test_nothing_to_replay_is_no_success(self, folder: Path) -> None:
        result = self.run("--policy", "keepstone.yaml", "--since", "2027-01-01")
        assert (result.exit_code, "nothing to replay" in result.stderr) == (3, True)

    def test_a_wrong_time(self, folder: Path) -> None:
        result = self.run("--policy", "keepstone.yaml", "--since", "yesterday")
        assert result.exception is not None
        assert "neither a duration nor a time" in str(result.exception)
