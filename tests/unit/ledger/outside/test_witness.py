"""A witness cosigns what continues the log, and its refusals say what happened to a log that does not."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.outside.cosignature import CosignerKey
from keepstone.ledger.outside.objects import UNREACHABLE
from keepstone.ledger.outside.witness import Reply, Witness, WitnessAnchor, witness_at
from tests.laws import examples
from tests.simulators.behaviour import Behaviour
from tests.simulators.wire import Received
from tests.simulators.witness import NAME, WitnessSimulator
from tests.unit.ledger.outside.places import VERIFIER, append
from tests.unit.ledger.support import KEY, opened

LOGS = {KEY.name: KEY.verifier, f"{KEY.name}/w1": KEY.of_shard("w1").verifier}


@pytest.fixture
def simulator() -> Iterator[WitnessSimulator]:
    with WitnessSimulator(LOGS) as running:
        yield running


def spoken_to(simulator: WitnessSimulator) -> WitnessAnchor:
    """What a gateway that has just started has."""
    return WitnessAnchor(witness_at(simulator.url, simulator.vkey))


def without_a_wire(simulator: WitnessSimulator) -> Witness:
    """A client whose requests reach the simulator by a call."""

    def post(body: bytes) -> Reply:
        answer = simulator.answer(Received("POST", "/add-checkpoint", "", (), body), Behaviour())
        return Reply(answer.status, answer.headers["Content-Type"], answer.parts[0].decode())

    return Witness("simulated", CosignerKey.parse(simulator.vkey), post)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.booleans()), min_size=1, max_size=5))
def test_every_log_that_grows_is_cosigned_whether_or_not_the_client_remembers(
    steps: list[tuple[int, bool]],
) -> None:
    with TemporaryDirectory() as name:
        folder, simulator, size = Path(name), WitnessSimulator(LOGS), 0
        witness = without_a_wire(simulator)
        for count, forgets in steps:
            append(folder, count, size)
            size += count
            witness = without_a_wire(simulator) if forgets else witness
            cosigned = witness.cosign(folder, VERIFIER)
            assert cosigned.startswith((folder / "checkpoint").read_text())
            assert cosigned.count(f"\u2014 {NAME} ") == 1
            assert "stranger" not in cosigned
            assert simulator.state[KEY.name][0] == size


def test_what_was_cosigned_is_kept_and_not_asked_for_again(
    simulator: WitnessSimulator, tmp_path: Path
) -> None:
    append(tmp_path, 300)
    with opened(tmp_path / "shards/w1", KEY.of_shard("w1")) as shard:
        shard.append(b"one")
    assert spoken_to(simulator).post(tmp_path, VERIFIER) == 2
    kept = sorted(path.name for path in (tmp_path / "cosigned").iterdir())
    key_id = CosignerKey.parse(simulator.vkey).key_id.hex()
    assert kept == [f"{key_id}-main", f"{key_id}-w1"]
    asked = len(simulator.requests)
    assert spoken_to(simulator).post(tmp_path, VERIFIER) == 0
    assert len(simulator.requests) == asked


def test_a_log_that_was_put_back_or_rewritten_is_not_cosigned(
    simulator: WitnessSimulator, tmp_path: Path
) -> None:
    append(tmp_path / "now", 300)
    shutil.copytree(tmp_path / "now", tmp_path / "old")
    append(tmp_path / "now", 300, 300)
    spoken_to(simulator).post(tmp_path / "now", VERIFIER)
    with pytest.raises(LedgerCorrupt, match=r"has cosigned `600` records of this log, which holds `300`"):
        spoken_to(simulator).post(tmp_path / "old", VERIFIER)
    append(tmp_path / "old", 300, 9000)
    with pytest.raises(LedgerCorrupt, match="does not continue the `600` records"):
        spoken_to(simulator).post(tmp_path / "old", VERIFIER)
    append(tmp_path / "old", 1, 9300)
    with pytest.raises(LedgerCorrupt, match="does not continue the `600` records"):
        spoken_to(simulator).post(tmp_path / "old", VERIFIER)


def test_what_is_no_cosignature_is_no_answer(simulator: WitnessSimulator, tmp_path: Path) -> None:
    append(tmp_path, 3)
    simulator.forges = True
    with pytest.raises(LedgerError, match="without its cosignature") as caught:
        spoken_to(simulator).post(tmp_path, VERIFIER)
    assert caught.value.code == UNREACHABLE
    simulator.logs.clear()
    with pytest.raises(LedgerError, match="does not know this log") as caught:
        spoken_to(simulator).post(tmp_path, VERIFIER)
    assert caught.value.code == UNREACHABLE
    simulator.logs[KEY.name] = LedgerKey.create(KEY.name).verifier
    with pytest.raises(LedgerError, match="with another key"):
        spoken_to(simulator).post(tmp_path, VERIFIER)
    with simulator.refusing(), pytest.raises(LedgerError, match="cannot be asked") as caught:
        spoken_to(simulator).post(tmp_path, VERIFIER)
    assert caught.value.code == UNREACHABLE


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (409, "text/plain", "7\n"),
        (409, "text/x.tlog.size", "-1\n"),
        (409, "text/x.tlog.size", "0\n"),
        (409, "text/x.tlog.size", "9" * 40),
        (200, "text/plain", "\u2014 x\n\u2014 \n"),
        (200, "text/plain", ""),
        (302, "", ""),
        (500, "", ""),
    ],
)
def test_an_answer_that_the_protocol_does_not_know_tells_nothing(
    status: int, kind: str, body: str, tmp_path: Path
) -> None:
    append(tmp_path, 3)
    key = CosignerKey.parse(WitnessSimulator(LOGS).vkey)
    witness = Witness("strange", key, lambda _body: Reply(status, kind, body))
    with pytest.raises(LedgerError) as caught:
        witness.cosign(tmp_path, VERIFIER)
    assert caught.value.code == UNREACHABLE


KEYS = ["", "w1", KEY.verifier, "w1+00000000+BAAA", "w1+zz+\u00e9"]


@pytest.mark.parametrize("vkey", KEYS, ids=["none", "name", "of-a-log", "short", "no-base64"])
def test_what_is_no_witness_key_is_refused(vkey: str) -> None:
    with pytest.raises(LedgerError, match="witness's key"):
        CosignerKey.parse(vkey)
