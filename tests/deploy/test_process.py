"""Terraform as a process of ours; a script stands for it: it hears an interrupt once, and ends in order."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.services.black_hole import black_hole, nobody
from tests.services.signals import hear

from keepstone.core.errors import DeployError
from keepstone.deploy import process, terraform
from keepstone.deploy.reach import unreachable
from keepstone.deploy.terraform import Terraform

PATIENT = """\
#!/bin/sh
# Notes each interrupt; ends a while after the first, and says so to whoever still listens.
heard() {
  echo interrupted >> '{folder}/heard'
  for i in 1 2 3 4 5 6 7 8 9; do echo '{"type": "x"}'; sleep 0.1; done
  echo ended >> '{folder}/heard'
  exit 0
}
trap heard INT
echo '{line}'
echo started > '{folder}/started'
n=0
while [ $n -lt 1000 ]; do sleep 0.05; n=$((n+1)); done
"""
APPLY = """\
import sys; from pathlib import Path; from keepstone.deploy.terraform import Terraform
try: Terraform(Path(sys.argv[1]), print).apply('plan')
except KeyboardInterrupt: sys.exit(130)
"""
BEGUN = '{"type": "apply_start", "@message": "x: Creating...", "hook": {"action": "create"}}'


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def made(line: str = "") -> Path:
        script = tmp_path / "terraform"
        text = PATIENT.replace("{folder}", str(tmp_path))
        script.write_text(text.replace("{line}", line))
        script.chmod(0o755)
        monkeypatch.setenv("KEEPSTONE_TERRAFORM", str(script))
        return tmp_path

    return made


def until(true, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def heard(folder: Path) -> list[str]:
    path = folder / "heard"
    return path.read_text().split() if path.exists() else []


@contextmanager
def started(code: str, folder: Path, ignored: tuple[signal.Signals, ...] = ()) -> Iterator[subprocess.Popen]:
    """A Python of its own that hears all signals but the ignored ones."""
    command = [sys.executable, "-c", code, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=partial(hear, *ignored)) as process:  # noqa: PLW1509 - no thread runs here
        try:
            yield process
        finally:
            process.kill()  # a test that fails waits for nobody


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_us_terraform_ends_in_order(stand_in, number) -> None:
    folder = stand_in()
    with started(APPLY, folder) as us:
        until((folder / "started").exists)
        us.send_signal(number)
        if number != signal.SIGKILL:
            until(lambda: heard(folder))
            us.send_signal(number)  # impatience is not passed on
        code = us.wait(10)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    until(lambda: "ended" in heard(folder))
    assert heard(folder) == ["interrupted", "ended"]


def test_in_the_background_of_a_script_terraform_still_hears_us(stand_in) -> None:
    folder = stand_in()
    with started(APPLY, folder, ignored=(signal.SIGINT, signal.SIGHUP)) as us:
        until((folder / "started").exists)
        us.send_signal(signal.SIGINT)
        us.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert (us.poll(), heard(folder)) == (None, [])
        us.send_signal(signal.SIGTERM)
        assert us.wait(10) == 130
    assert heard(folder) == ["interrupted", "ended"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "SILENT_S", 0.2)
    monkeypatch.setattr(terraform, "_PATIENCE_S", 0.5)
    with nobody() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        yield address


def test_silence_is_told_with_its_reason_and_ends(stand_in, impatient) -> None:
    folder, told = stand_in(), []
    with pytest.raises(DeployError, match=f"`{impatient}` cannot be reached: connection refused") as refused:
        Terraform(folder, told.append, "us-east-1").plan("out")
    assert refused.value.code == "deploy.unreachable"
    assert "nothing was changed" in refused.value.hint
    *silences, ending = told
    assert len(silences) >= 2
    assert all("nothing heard from Terraform for" in each and impatient in each for each in silences)
    assert "told to end" in ending
    assert heard(folder) == ["interrupted", "ended"]


def test_what_has_begun_is_waited_for(stand_in, impatient) -> None:
    folder, told = stand_in(BEGUN), []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 6:  # longer than its patience
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Terraform(folder, tell, "us-east-1").apply("plan")
    first, *silences, ending = told
    assert first == "x: Creating..."
    assert all("nothing heard" in each for each in silences)
    assert "told to end" in ending


def test_what_is_reached(monkeypatch) -> None:
    for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        assert unreachable("us-east-1") == ""
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert unreachable("us-east-1") == ""
    assert unreachable("us-east-1") == f"`{address}` cannot be reached: connection refused"
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.invalid")
    monkeypatch.delenv("HTTPS_PROXY")
    assert unreachable("us-east-1").startswith("`sts.invalid:443` cannot be reached: ")


def test_an_address_that_takes_no_connection_does_not_answer(monkeypatch) -> None:
    monkeypatch.setattr("keepstone.deploy.reach._TRY_S", 0.2)
    with black_hole() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{address}")
        assert unreachable("us-east-1") == f"`{address}` does not answer"
