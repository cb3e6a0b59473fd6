"""The promise under force: what was acknowledged is in the ledger, whatever process and disk suffer."""

import json
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepstone.core.errors import LedgerFull
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.verify import verify
from keepstone.ledger.writer import Ledger

LOAD = Path(__file__).with_name("ledger_load.py")


def killed_run(home: Path, first: int, in_flight: int, window_ms: int, seconds: float) -> list[int]:
    """Run the load, kill it after `seconds` of work, return the numbers that were acknowledged."""
    arguments = [sys.executable, str(LOAD), str(home), str(first), str(in_flight), str(window_ms), "0"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"opened")
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        output = process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    return [int(line) for line in output.split(b"\n")[:-1]]


@pytest.mark.slow
@pytest.mark.parametrize(("in_flight", "window_ms"), [(1, 0), (64, 0), (2000, 0), (64, 5)])
def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path, in_flight, window_ms):
    seed = random.randrange(1 << 32)
    moment = random.Random(seed)
    acknowledged: list[int] = []
    checkpoints: list[str] = []
    for turn in range(5):
        acknowledged += killed_run(
            tmp_path, turn * 1_000_000, in_flight, window_ms, moment.uniform(0.05, 0.6)
        )
        found = [json.loads(record)["number"] for _, record in LedgerReader(tmp_path / "ledger").entries()]
        lost = set(acknowledged) - set(found)
        assert not lost, f"seed {seed}, turn {turn}: {len(lost)} of {len(acknowledged)} lost"
        assert len(found) == len(set(found))
        key = LedgerKey.load(tmp_path / "keys").verifier
        for since in [None, *checkpoints]:
            outcome = verify(tmp_path / "ledger", key, since=since)
            assert outcome.verdict == "PASS", (seed, turn, outcome.problems)
        checkpoints.append(LedgerReader(tmp_path / "ledger").checkpoint)
    assert acknowledged


@pytest.mark.slow
def test_readers_and_verification_agree_while_a_writer_runs(tmp_path):
    arguments = [sys.executable, str(LOAD), str(tmp_path), "0", "500", "0", "40000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"opened")
        key = LedgerKey.load(tmp_path / "keys").verifier
        kept, verified = None, 0
        while verified < 8:
            outcome = verify(tmp_path / "ledger", key, since=kept)
            assert outcome.verdict == "PASS", outcome.problems
            kept = LedgerReader(tmp_path / "ledger").checkpoint
            verified += 1
        process.stdout.read()
    assert process.returncode == 0
    outcome = verify(tmp_path / "ledger", key, since=kept)
    assert (outcome.verdict, outcome.size) == ("PASS", 40_000)


def test_a_second_process_is_refused(tmp_path):
    with opened(tmp_path):
        arguments = [sys.executable, str(LOAD), str(tmp_path), "0", "1", "0", "1"]
        outcome = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode != 0
    assert "another process writes the ledger" in outcome.stderr


def test_the_kernel_refuses_to_let_the_file_grow_and_later_does(tmp_path):
    with opened(tmp_path) as ledger:
        assert ledger.append(b"before") == 0
        with file_size_limit(2048), pytest.raises(LedgerFull, match="large"):
            ledger.append(bytes(5000))
        assert isinstance(ledger.failure, LedgerFull)
        assert ledger.append(b"after") == 1
        assert ledger.failure is None
    key = LedgerKey.load(tmp_path / "keys").verifier
    assert verify(tmp_path / "ledger", key).verdict == "PASS"
    assert [record for _, record in LedgerReader(tmp_path / "ledger").entries()] == [b"before", b"after"]


@contextmanager
def opened(home: Path):
    key = LedgerKey.load_or_create(home / "keys")
    ledger = Ledger.open(home / "ledger", key, notify=lambda _waiters, _error: None)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def file_size_limit(size: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
