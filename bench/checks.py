"""What must be true of a contender before its figures count: right answers, real refusals, a whole record."""

import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bench import payload
from bench.launch import Launch
from bench.process import BenchError, Child


def await_ready(name: str, child: Child, base: str, path: str) -> None:
    """Waits until a GET answers 200; `base` is scheme, host and port."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        child.must_run()
        try:
            status, _ = _ask(base, "GET", path)
        except OSError:
            status = 0
        if status == 200:
            return
        time.sleep(0.1)
    raise BenchError(f"`{name}` is not ready after 120 s; see {child.log}")


def must_answer(name: str, launch: Launch, headers: Mapping[str, str]) -> None:
    """Asks twice and compares the text; Keepstone must also refuse and stop what its policy says."""
    for _ in range(2):
        status, answer = _ask(launch.base, "POST", launch.path, launch.body, headers)
        if status != 200 or payload.said(answer) != payload.said(launch.answer):
            raise BenchError(f"`{name}` answers wrongly: {status} {answer[:500]!r}")
    if launch.home:
        _must_know_callers(name, launch)
    if launch.inspects:
        _must_inspect(name, launch, headers)


def _must_know_callers(name: str, launch: Launch) -> None:
    status, _ = _ask(launch.base, "POST", launch.path, launch.body, {"Authorization": "Bearer wrong"})
    if status != 403:
        raise BenchError(f"`{name}` lets a stranger in: {status}")


def _must_inspect(name: str, launch: Launch, headers: Mapping[str, str]) -> None:
    """The stages are on: data of too high a class is refused, a customer's word is stopped."""
    other = "/model/amazon.nova-lite-v1%3A0/converse"
    confidential = {**headers, "X-Keepstone-Data-Class": "Confidential"}
    status, _ = _ask(launch.base, "POST", other, launch.body, confidential)
    if status != 403:
        raise BenchError(f"`{name}` allows a class of data that its policy does not: {status}")
    word = payload.converse("Tell me about project albatross, please.")
    status, answer = _ask(launch.base, "POST", launch.path, word, headers)
    if status != 200 or b'"guardrail_intervened"' not in answer:
        raise BenchError(f"`{name}` lets a blocked word through: {status} {answer[:500]!r}")


def must_have_recorded(home: Path, calls: int) -> None:
    """The ledger verifies, signatures and all, and holds at least the calls that were answered."""
    key = next(home.rglob("*.vkey"), None)
    if key is None:
        raise BenchError(f"no verifier key under `{home}`")
    command = [".venv/bin/keepstone", "ledger", "verify", "--format", "json"]
    command += ["--ledger", str(home / "ledger"), "--key", str(key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    report = json.loads(done.stdout) if done.stdout else {}
    if done.returncode or report.get("verdict") != "PASS" or report["size"] < calls:
        found = done.stdout[-1000:] + done.stderr[-1000:]
        raise BenchError(f"the ledger does not hold {calls} calls in good order: {found}")


def _ask(
    base: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    scheme, address = base.split("://")
    if scheme == "https":  # a certificate of the contender's own, on loopback
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            address, timeout=30, context=context
        )
    else:
        connection = http.client.HTTPConnection(address, timeout=30)
    with closing(connection):
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
