"""`keepstone ledger`: results on stdout, talk on stderr, exit codes that say which side it is."""

import json

import pytest
from click.testing import CliRunner

from keepstone.cli.ledger import ledger as group
from keepstone.core.errors import KeepstoneError
from keepstone.ledger.record import Caller, ExchangeRecord, ReasonNote, encode
from tests.unit.ledger.support import KEY, opened


def record(number: int, **fields) -> bytes:
    return encode(
        ExchangeRecord(kind="exchange", id=f"id-{number}", time="2026-01-01T00:00:00.000000Z", **fields)
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with opened(home / "ledger") as ledger:
        ledger.append(record(0, outcome="allow", principal=Caller(id="ann"), status=200))
        refusal = (ReasonNote("input_blocked", "no", "guardrails.default"),)
        ledger.append(record(1, outcome="refuse", principal=Caller(id="bob"), reasons=refusal, status=400))
        ledger.append(record(2, outcome="allow", principal=Caller(id="bob"), status=200))
        ledger.append(b"not ours")
    (home / "keys").mkdir()
    (home / "keys" / "ledger.vkey").write_text(KEY.verifier + "\n")
    return home


def run(home, *arguments):
    """Run a command as `main` does; return (exit code, stdout, stderr)."""
    runner = CliRunner()
    command, *rest = arguments
    where = [] if command == "check-proof" else ["--ledger", str(home / "ledger")]
    result = runner.invoke(group, [command, *where, *rest], standalone_mode=False)
    if isinstance(result.exception, KeepstoneError):
        return result.exception.code, result.stdout, result.exception.message
    if result.exception:
        raise result.exception
    return result.return_value, result.stdout, result.stderr


def test_verify_says_that_the_key_lay_beside_the_ledger(home):
    code, out, err = run(home, "verify")
    assert code == 0
    assert out.startswith("PASS: ")
    assert "beside the ledger" in err
    code, _, err = run(home, "verify", "--key", KEY.verifier)
    assert (code, "beside" in err) == (0, False)


def test_verify_as_json_carries_the_verdict_and_the_notes(home):
    code, out, _ = run(home, "verify", "--format", "json", "--key", str(home / "keys" / "ledger.vkey"))
    found = json.loads(out)
    assert (code, found["verdict"], found["size"], found["problems"]) == (0, "PASS", 4, [])


def test_verify_exits_with_one_for_tampering_and_three_when_it_cannot_tell(home, tmp_path):
    with opened(tmp_path / "ledger") as ledger:
        ledger.append(b"x")
    assert run(tmp_path, "verify")[0] == 3
    path = tmp_path / "ledger/tile/entries/000.p/1"
    path.write_bytes(b"\x00\x01y")
    code, out, _ = run(tmp_path, "verify", "--key", KEY.verifier)
    assert code == 1
    assert "changed after they were written" in out
    assert run(tmp_path / "nowhere", "verify")[0] == "usage"


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], ["id-0", "id-1", "id-2"]),
        (["--last", "1"], ["id-2"]),
        (["--principal", "bob"], ["id-1", "id-2"]),
        (["--outcome", "refuse"], ["id-1"]),
        (["--reason", "input_blocked"], ["id-1"]),
        (["--reason", "output_blocked"], []),
    ],
)
def test_show_filters(home, options, ids):
    code, out, err = run(home, "show", "--format", "json", *options)
    assert code == 0
    assert [each["id"] for each in json.loads(out)] == ids
    assert "record 3: the entry is not a record" in err
    assert ("no record is like that" in err) == (not ids)


def test_a_reason_that_no_record_can_have_is_a_usage_error(home):
    code, _, _ = run(home, "show", "--reason", "input_blockd")
    assert code == "usage"


def test_show_prints_a_table_and_one_record(home):
    assert "input_blocked" in run(home, "show")[1]
    for which in ("id-1", "1"):
        found = json.loads(run(home, "show", which, "--format", "json")[1])
        assert (found["index"], found["principal"]) == (1, {"id": "bob"})
    assert run(home, "show", "nobody")[0] == "usage"


def test_a_record_is_a_line_for_each_field_and_no_python(home):
    out = run(home, "show", "id-1")[1]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "principal id bob" in lines
    assert "reasons code: input_blocked, message: no, path: guardrails.default" in lines
    assert "{" not in out


def test_a_table_of_long_names_fits_a_terminal_and_is_whole_in_a_pipe(tmp_path, monkeypatch):
    fields = {"principal": Caller(id="p" * 90), "model": "m" * 200, "operation": "ConverseStream"}
    with opened(tmp_path / "ledger") as ledger:
        for number in range(3):
            reason = (ReasonNote("principal_not_allowed_here", "no", "identities"),)
            ledger.append(record(number, outcome="refuse", reasons=reason, **fields))
        detail = {"by": "ann", "key": "3f9c2a7b10de", "name": "n" * 100}
        event = ExchangeRecord(kind="event", id="", time="t", event="key.created", detail=detail)
        ledger.append(encode(event))
    piped = run(tmp_path, "show")[1]
    assert all(each in piped for each in ("p" * 90, "m" * 200, "n" * 100))
    monkeypatch.setattr("keepstone.cli.output.terminal_width", lambda: 120)
    lines = run(tmp_path, "show")[1].splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 120
    assert "key: 3f9c" in lines[-1]
    assert "refuse principal_not_allowed_here" in lines[-2]


def test_the_ledger_is_that_of_the_home_in_the_environment(home, monkeypatch):
    monkeypatch.setenv("KEEPSTONE_HOME", str(home))
    for command in (["show", "--format", "json"], ["verify", "--format", "json"]):
        result = CliRunner().invoke(group, command, standalone_mode=False)
        assert (result.exception, "id-1" in result.stdout or "PASS" in result.stdout) == (None, True)


def test_the_beginning_of_an_id_is_enough_if_it_is_one_calls(tmp_path):
    with opened(tmp_path / "ledger") as ledger:
        for number, end in enumerate(("aa", "ab", "b")):
            identity = f"1c0f6a52-{end}"
            time = "2026-01-01T00:00:00.000000Z"
            ledger.append(
                encode(ExchangeRecord(kind="exchange", id=identity, time=time, status=number + 200))
            )
    code, out, _ = run(tmp_path, "show", "1c0f6a52-b", "--format", "json")
    assert (code, json.loads(out)["id"]) == (0, "1c0f6a52-b")
    code, _, said = run(tmp_path, "show", "1c0f6a52")
    assert (code, said) == ("usage", "several calls begin with `1c0f6a52`")
    assert run(tmp_path, "show", "1c0f6a52-c")[0] == "usage"


def test_a_proof_is_checked_with_the_key_alone(home, tmp_path):
    proof = tmp_path / "call.tlog-proof"
    assert run(home, "prove", "id-1", "--out", str(proof))[0] == 0
    code, out, _ = run(home, "check-proof", str(proof), "--key", KEY.verifier, "--format", "json")
    assert (code, json.loads(out)["verdict"], json.loads(out)["id"]) == (0, "PASS", "id-1")
    proof.write_text(proof.read_text().replace("index 1", "index 2"))
    code, out, _ = run(home, "check-proof", str(proof), "--key", KEY.verifier)
    assert code == 1
    assert "FAIL" in out
    assert run(home, "prove", "0")[1].startswith("c2sp.org/tlog-proof@v1\nextra ")


@pytest.mark.parametrize("command", ["verify", "show", "prove", "check-proof"])
def test_every_help_has_an_example(command):
    out = CliRunner().invoke(group, [command, "--help"]).stdout
    assert f"  keepstone ledger {command}" in out


def test_a_record_that_mentions_an_id_is_not_that_calls(tmp_path):
    with opened(tmp_path / "ledger") as ledger:
        ledger.append(record(0, outcome="allow"))
        ledger.append(record(1, principal=Caller(id="id-0")))
        mention = ExchangeRecord(kind="event", id="", time="t", event="content.read", detail={"id": "id-0"})
        ledger.append(encode(mention))
    code, out, _ = run(tmp_path, "show", "id-0", "--format", "json")
    assert (code, json.loads(out)["index"]) == (0, 0)
    code, out, _ = run(tmp_path, "prove", "id-0", "--format", "json")
    assert (code, json.loads(out)["index"]) == (0, 0)
