"""The composition root: secrets, reuse of upstreams, reload, retention."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from keepstone.core.errors import PolicyError, UpstreamError
from keepstone.core.keyed_hash import KeyedHash
from keepstone.core.settings import Settings
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.record import ExchangeRecord, decode, encode
from keepstone.ledger.retention import remove_old
from keepstone.policy.compile import compile_policy
from keepstone.policy.problems import InvalidPolicyError
from keepstone.policy.schema import upstreams as schema
from keepstone.wiring.active import build_active, read_policy
from keepstone.wiring.secrets import secret
from keepstone.wiring.service import open_service
from keepstone.wiring.upstreams import build_upstream
from tests.unit.ledger.support import KEY, opened
from tests.unit.policy.documents import MINIMAL, loaded

LOCAL = """\
  local: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
"""
HASH = KeyedHash(b"a key of the tests")
TWO = MINIMAL.replace("models:\n", LOCAL, 1)


def in_loop(use):
    """Run a plain function where there is an event loop."""

    async def run():
        return use()

    return asyncio.run(run())


# --- secrets ----------------------------------------------------------------------------------------------


def test_a_secret_is_read_again_each_time(tmp_path):
    path = tmp_path / "token"
    path.write_text("fake-one\n")
    read = secret(schema.SecretRef(file=str(path)), "u")
    assert read() == "fake-one"
    path.write_text("fake-two")
    assert read() == "fake-two"
    environ = {"TOKEN": " fake-three "}
    assert secret(schema.SecretRef(env="TOKEN"), "u", environ)() == "fake-three"


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}, {"TOKEN": "  "}])
def test_a_variable_that_is_not_set_is_told_at_start(environ):
    with pytest.raises(PolicyError, match="upstream `u`: environment variable `TOKEN` is not set"):
        secret(schema.SecretRef(env="TOKEN"), "u", environ)


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe"], ids=["none", "empty", "blank", "no text"]
)
def test_a_file_that_holds_no_secret_is_told_at_start(content, tmp_path):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyError, match="upstream `u`: cannot read the secret in"):
        secret(schema.SecretRef(file=str(path)), "u")


def test_a_secret_that_goes_away_later_is_the_upstreams_failure(tmp_path):
    path = tmp_path / "token"
    path.write_text("fake")
    read = secret(schema.SecretRef(file=str(path)), "u")
    path.unlink()
    with pytest.raises(UpstreamError) as caught:
        read()
    assert caught.value.code == "upstream.credentials"


@pytest.mark.parametrize(
    "config",
    [
        schema.BedrockUpstream(region="eu-north-1", bearer_token=schema.SecretRef(env="KEEPSTONE_NOT_SET")),
        schema.OpenAIUpstream(base_url="http://a.example", api_key=schema.SecretRef(env="KEEPSTONE_NOT_SET")),
    ],
)
def test_an_upstream_without_its_secret_is_not_built(config):
    with pytest.raises(PolicyError):
        in_loop(lambda: build_upstream("u", config))


# --- upstreams across reloads -----------------------------------------------------------------------------


def test_an_unchanged_upstream_keeps_its_connections():
    cache = {}
    slower = TWO.replace("kind: openai", "kind: openai, timeout: 7s")

    def use():
        first = build_active(compile_policy(loaded(TWO)), cache, HASH)
        again = build_active(compile_policy(loaded(TWO)), cache, HASH)
        changed = build_active(compile_policy(loaded(slower)), cache, HASH)
        return first.upstreams, again.upstreams, changed.upstreams

    first, again, changed = in_loop(use)
    assert again == first
    assert changed["dev"] is first["dev"]
    assert changed["local"] is not first["local"]


class _Watched:
    """An upstream that remembers that it was closed."""

    def __init__(self):
        self.closed = 0

    async def close(self):
        self.closed += 1


def test_a_reload_puts_the_new_policy_in_force_or_changes_nothing(tmp_path):
    path = tmp_path / "keepstone.yaml"
    path.write_text(TWO)
    settings = Settings(home=tmp_path / "home", policy=path)

    async def run():
        service = await open_service(settings, read_policy(settings))
        try:
            first = service.gateway.active
            replaced, gone = _Watched(), _Watched()
            service.upstreams["local"] = (schema.DevUpstream(), replaced)
            service.upstreams["gone"] = (schema.DevUpstream(), gone)
            path.write_text("version: 2")
            with pytest.raises(InvalidPolicyError):
                await service.reload()
            assert service.gateway.active is first
            assert not replaced.closed
            path.write_text(TWO.replace("Acme", "Acme Ltd"))
            assert await service.reload() == service.gateway.active.policy.hash != first.policy.hash
            assert (replaced.closed, gone.closed, "gone" in service.upstreams) == (1, 1, False)
        finally:
            await service.close()
        return [decode(entry).event for _, entry in LedgerReader(settings.ledger).entries()]

    assert asyncio.run(run()) == ["gateway.started", "policy.refused", "policy.loaded", "gateway.stopped"]


# --- retention --------------------------------------------------------------------------------------------


def pruned_before(directory, second):
    """Remove what is older than a moment of one day; return how many records went."""
    now = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=second)
    return remove_old(directory, KEY, now, (1, 1)).records


def test_only_full_bundles_of_old_records_are_removed(tmp_path):
    with opened(tmp_path) as ledger:
        for second in range(600):
            time = f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.000000Z"
            ledger.submit([(encode(ExchangeRecord(kind="event", id="", time=time)), second)])
    assert pruned_before(tmp_path, 0) == 0
    assert pruned_before(tmp_path, 255) == 0
    assert pruned_before(tmp_path, 256) == 256
    assert pruned_before(tmp_path, 300) == 0
    assert next(LedgerReader(tmp_path).entries())[0] == 256
    assert pruned_before(tmp_path, 10_000) == 256
    assert [index for index, _ in LedgerReader(tmp_path).entries()] == list(range(512, 600))
