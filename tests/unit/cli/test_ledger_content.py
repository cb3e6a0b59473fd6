"""`ledger erase | prune | hold`: what was not done is not said to be, and what the policy keeps is kept."""

import json

import pytest

from keepstone.cli.main import main
from keepstone.core.settings import Settings
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.record import ExchangeRecord, Sealed, decode, encode
from keepstone.ledger.subject_keys import EnvelopeKeyFile, SubjectKeys
from keepstone.ledger.whole import WholeReader
from keepstone.ledger.writer import Ledger
from keepstone.policy.template import default_document


@pytest.fixture
def key(tmp_path, monkeypatch):
    """A ledger that nobody writes, with content of `ann`, who has a key, and of `bob`, who has none."""
    monkeypatch.chdir(tmp_path)
    bounds = "ledger_days: 100\n  content: encrypted\n  content_days: 20"
    document = default_document().replace("ledger_days: 400", bounds)
    (tmp_path / "keepstone.yaml").write_text(document)
    settings = Settings()
    key = LedgerKey.load_or_create(settings.keys)
    SubjectKeys(settings.subjects, EnvelopeKeyFile(settings.keys)).obtain(key.subject("ann"))
    ledger = Ledger.open(settings.ledger, key, notify=lambda *_: None)
    for name in ("ann", "bob"):
        sealed = Sealed(subject=key.subject(name), segment="s", request="00")
        time = "2026-01-01T00:00:00.000000Z"
        ledger.append(encode(ExchangeRecord(kind="exchange", id=name, time=time, sealed=sealed)))
    ledger.close()
    return key


def run(capsys, *arguments):
    """Run a command; return (exit status, result, stderr)."""
    capsys.readouterr()
    status = main(["ledger", *arguments, "--format", "json"])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else None, err


def events():
    records = (decode(data) for _, data in WholeReader(Settings().ledger).entries())
    return [each for each in records if each.event]


@pytest.mark.parametrize(
    ("subject", "status", "erased", "because", "recorded"),
    [
        ("ann", 0, True, "", ["content.erased"]),
        ("bob", 0, False, "no key is kept for this subject any more", []),
        ("nobody", 3, False, "no record names it: it may be mistyped", []),
    ],
)
def test_erasure_says_what_it_found(key, capsys, subject, status, erased, because, recorded):
    found = run(capsys, "erase", "--subject", subject, "--reason", "asked")
    assert found[:1] == (status,)
    assert (found[1]["erased"], found[1]["subject"]) == (erased, key.subject(subject))
    assert because in found[1].get("because", "")
    assert [each.event for each in events()] == recorded


@pytest.mark.parametrize(
    ("options", "status", "said", "recorded"),
    [
        (["--days", "99"], 2, "the policy keeps records for 100 days", []),
        (["--content-days", "19"], 2, "the policy keeps content for 20 days", []),
        (["--days", "1", "--content-days", "1"], 2, "records for 100 days and content for 20 days", []),
        (["--days", "1", "--below-policy"], 2, "needs `--reason`", []),
        (["--days", "1", "--below-policy", "--reason", " "], 2, "`--reason`", []),
        (["--days", "1", "--dry-run"], 0, "removing it takes `--below-policy`", []),
        (["--days", "100", "--content-days", "21"], 0, "", []),
        ([], 0, "", []),
        (["--policy", "none.yaml", "--days", "1"], 2, "none.yaml", []),
        (["--days", "1", "--below-policy", "--reason", "case 17"], 0, "", ["ledger.prune_ordered"]),
    ],
)
def test_what_the_policy_keeps_is_removed_by_a_recorded_order_only(
    key, capsys, options, status, said, recorded
):
    found, _, err = run(capsys, "prune", *options)
    assert (found, said in err) == (status, True), err
    assert [each.event for each in events()] == recorded
    if recorded:
        assert events()[0].detail["reason"] == "case 17"
        assert events()[0].detail["policy"] == "records for 100 days"


def test_a_hold_is_listed_once_with_one_id(key, capsys):
    made = run(capsys, "hold", "add", "--everything", "--reason", "audit")[1]
    assert run(capsys, "hold", "list")[1] == [made]
    capsys.readouterr()
    assert main(["ledger", "hold", "list"]) == 0
    assert capsys.readouterr().out.count(made["id"]) == 1


def test_a_reason_that_no_record_could_hold_is_refused(key, capsys):
    status, _, err = run(capsys, "hold", "add", "--everything", "--reason", "x" * 70_000)
    assert (status, "expected 1 to 1000" in err) == (2, True)
    assert events() == []
