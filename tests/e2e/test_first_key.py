"""The first key: made when calls are taken, shown once, on record; a start that fails leaves none behind."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from keepstone.policy.template import default_document
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import KEEPSTONE, GatewayProcess, clean_environment
from tests.e2e.test_crash import until

pytestmark = pytest.mark.xdist_group("e2e-first-key")


def started(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The end of a start that fails."""
    command = [KEEPSTONE, "up", "--home", folder / "home", "--policy", folder / "keepstone.yaml", *arguments]
    return subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )


def states(gateway: GatewayProcess) -> list[str]:
    done = gateway.keepstone("keys", "list", "--home", gateway.home, "--format", "json")
    return [each["state"] for each in json.loads(done.stdout)] if done.returncode == 0 else []


def key_events(gateway: GatewayProcess) -> list[tuple[str, str]]:
    found = [each for each in gateway.records() if each.get("event", "").startswith("key.")]
    return [(each["event"], each["detail"]["key"]) for each in found]


def test_a_start_that_fails_leaves_no_key_behind(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, default_document())
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for status, arguments in (
            (2, ("--port", port)),
            (2, ("--port", "0", "--tls-cert", str(bad), "--tls-key", str(bad))),
        ):
            done = started(tmp_path, *arguments)
            assert done.returncode == status, (arguments, done.stderr)
            assert "AWS_BEARER_TOKEN" not in done.stdout
    assert states(gateway) == []
    try:
        gateway.start()
        assert gateway.post("/model/keepstone.dev/converse", CONVERSE)[0] == 200
        assert states(gateway) == ["active"]
    finally:
        gateway.close()


def test_no_key_is_made_where_it_is_switched_off(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, default_document(), extra={"KEEPSTONE_FIRST_KEY": "off"})
    gateway.first_key = "none is printed"
    try:
        gateway.start()
        assert states(gateway) == []
        assert key_events(gateway) == []
    finally:
        gateway.close()


CONVERSE = b'{"messages": [{"role": "user", "content": [{"text": "hello"}]}]}'


def test_a_key_that_cannot_be_recorded_is_revoked_and_the_start_fails(tmp_path: Path) -> None:
    rules = "identities:\n  mtls: {rules: [{common_name: ann, roles: [admin]}]}"
    gateway = GatewayProcess(tmp_path, default_document().replace("identities:", rules, 1))
    (gateway.home / "ledger").mkdir(parents=True)
    (gateway.home / "ledger/notices").write_text("in the way")
    done = started(tmp_path, "--port", "0")
    assert done.returncode == 3, done.stderr
    assert "warning: the policy's `identities.mtls`" in done.stderr
    assert "could not be put on record" in done.stderr
    assert "AWS_BEARER_TOKEN" not in done.stdout
    assert states(gateway) == ["revoked"]


def test_a_key_that_could_not_be_shown_is_revoked_and_the_gateway_serves(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, default_document())
    with Path("/dev/full").open("w") as full, gateway.log.open("w") as log:
        command = gateway.command("--port", "0", "--plain-http")
        process = subprocess.Popen(command, env=clean_environment(), stdout=full, stderr=log)
    try:
        until(lambda: "ready" in gateway.log.read_text(), seconds=30)
        assert "could not be shown and is revoked" in gateway.log.read_text()
        assert process.poll() is None
        until(lambda: [event for event, _ in key_events(gateway)] == ["key.created", "key.revoked"])
        assert states(gateway) == ["revoked"]
    finally:
        process.terminate()
        process.wait(40)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_keys_are_on_record_while_the_gateway_runs(start: Start, workers: str) -> None:
    gateway = start("--plain-http", "--workers", workers, policy=default_document())
    first = gateway.first_key.split("_")[1]
    assert key_events(gateway) == [("key.created", first)]
    made = gateway.key("admin")
    gateway.revoke(first)
    assert key_events(gateway) == [
        ("key.created", first),
        ("key.created", made["id"]),
        ("key.revoked", first),
    ]
    assert gateway.stop() == 0
    gateway.revoke(made["id"])
    assert key_events(gateway)[-1] == ("key.revoked", made["id"])
    everything = json.dumps(gateway.records())
    assert gateway.first_key not in everything
    assert made["token"].rpartition("_")[2] not in everything
    assert gateway.verify().returncode == 0
