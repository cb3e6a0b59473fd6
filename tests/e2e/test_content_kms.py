"""Kept content whose keys AWS KMS wraps: boto3 callers, the real gateway, and a KMS that may be gone."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.conversation import user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import document
from tests.e2e.test_content import CLAUDE, WORDS, ask, events, files
from tests.e2e.test_crash import until
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.kms import KmsSimulator
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-content")


@pytest.fixture(scope="module")
def _kms() -> Iterator[KmsSimulator]:
    with KmsSimulator() as simulator:
        yield simulator


@pytest.fixture
def kms(_kms: KmsSimulator) -> KmsSimulator:
    _kms.reset()
    return _kms


class Kept:
    """A gateway that keeps content under keys of KMS."""

    def __init__(self, start: Start, upstreams: tuple[str, str], kms: KmsSimulator) -> None:
        self._start, self._upstreams, self._kms = start, upstreams, kms
        self.key = kms.new_key()

    def policy(self, extra: str = "", key: str = "") -> str:
        envelope = f'kms_key_id: "{key or self.key}", endpoint_url: "{self._kms.url}", {extra}'
        subject = "subject: {source: metadata, name: customer}"
        retention = f"retention: {{content: encrypted, {subject}, envelope: {{{envelope}}}}}"
        return document(*self._upstreams, extra=retention)

    def __call__(self, extra: str = "", *arguments: str, failure: str = "refuse") -> GatewayProcess:
        text = self.policy(extra).replace(
            "content: encrypted", f"content: encrypted, content_failure: {failure}"
        )
        return self._start(*arguments, policy=text)


@pytest.fixture
def kept(start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, kms: KmsSimulator) -> Kept:
    return Kept(start, (bedrock.url, openai.base_url), kms)


def shown(gateway: GatewayProcess, request: str) -> Any:
    """`ledger show --content`: what it shows, or says on stderr."""
    where = ("--ledger", str(gateway.home / "ledger"), "--policy", str(gateway.policy))
    done = gateway.keepstone("ledger", "show", request, "--content", *where, "--format", "json")
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def called(gateway: GatewayProcess, customer: str) -> tuple[int, dict[str, str]]:
    """Status and headers of a call for a customer."""
    body = json.dumps({"messages": user("hello"), "requestMetadata": {"customer": customer}}).encode()
    return gateway.post(f"/model/{CLAUDE}/converse", body)[:2]


def test_keys_are_wrapped_by_kms_and_shown_nowhere(kept: Kept, kms: KmsSimulator) -> None:
    gateway = kept("", "--log-level", "debug")
    request = ask(gateway.client(), f"about {WORDS}")
    assert WORDS in shown(gateway, request)["request"]
    again = ask(gateway.client(), "more")
    assert "more" in shown(gateway, again)["request"]
    (made,) = kms.calls("GenerateDataKey")
    context = {"keepstone:log", "keepstone:subject"}
    assert made["EncryptionContext"].keys() == context
    assert made["EncryptionContext"]["keepstone:subject"] == gateway.record(request)["sealed"]["subject"]
    stored = files(gateway)
    assert kms.plaintexts
    assert all(each.encode() not in stored for each in (*kms.plaintexts, WORDS, "customer-4711"))
    assert not (gateway.home / "keys/content.key").exists()
    assert gateway.verify().returncode == 0


def test_after_a_restart_kms_opens_what_it_has_wrapped(kept: Kept, kms: KmsSimulator) -> None:
    gateway = kept()
    first = ask(gateway.client(), "first")
    assert gateway.stop() == 0
    gateway.start()
    second = ask(gateway.client(), "second")
    assert ("first" in shown(gateway, first)["request"], "second" in shown(gateway, second)["request"]) == (
        True,
        True,
    )
    assert len(kms.calls("GenerateDataKey")) == 1


@pytest.mark.parametrize("failure", ["refuse", "proceed"])
def test_while_kms_cannot_be_reached(kept: Kept, kms: KmsSimulator, failure: str) -> None:
    gateway = kept("cache: 1h", failure=failure)
    known = ask(gateway.client(), "before")
    with kms.refusing():
        assert called(gateway, "customer-4711")[0] == 200  # its key is at hand
        status, headers = called(gateway, "customer-new")
        record = gateway.record(headers["x-amzn-requestid"])
        if failure == "proceed":
            assert (status, record["sealed"]["failure"]) == (200, "content.kms")
            assert "keepstone_content_not_kept_total 1.0" in gateway.get("/metrics")[1]
        else:
            assert (status, headers["x-keepstone-reason"]) == (503, "content_unavailable")
            assert record["reasons"][0]["code"] == "content_unavailable"
        assert "KMS cannot be asked" in shown(gateway, known)
    until(
        lambda: "sealed" in gateway.record(called(gateway, "customer-new")[1]["x-amzn-requestid"]), seconds=10
    )
    until(lambda: called(gateway, "customer-new")[0] == 200, seconds=10)
    assert "before" in shown(gateway, known)["request"]
    assert gateway.verify().returncode == 0


def test_a_key_that_is_disabled_ends_with_the_cache(kept: Kept, kms: KmsSimulator) -> None:
    gateway = kept("cache: 1s")
    assert called(gateway, "customer-4711")[0] == 200
    kms.disabled.add(kept.key)
    time.sleep(1.1)
    assert called(gateway, "customer-4711")[0] == 503
    assert "`Decrypt`: `DisabledException`" in gateway.log.read_text()
    kms.disabled.clear()
    assert called(gateway, "customer-4711")[0] == 200


def test_another_subjects_wrapped_key_opens_nothing(kept: Kept) -> None:
    gateway = kept()
    of = {
        each: gateway.record(ask(gateway.client(), "hello", each))["sealed"]["subject"] for each in ("a", "b")
    }
    folder = gateway.home / "keys/content"
    (folder / f"{of['a']}.key").write_bytes((folder / f"{of['b']}.key").read_bytes())
    assert called(gateway, "a")[0] == 503
    assert called(gateway, "b")[0] == 200
    assert "`Decrypt`: `InvalidCiphertextException`" in gateway.log.read_text()


def test_what_is_erased_kms_does_not_give_back(kept: Kept, kms: KmsSimulator) -> None:
    gateway = kept()
    request = ask(gateway.client(), f"about {WORDS}")
    (path,) = (gateway.home / "keys/content").iterdir()
    wrapped = path.read_bytes()
    where = ("--ledger", str(gateway.home / "ledger"))
    erased = gateway.keepstone("ledger", "erase", "--subject", "customer-4711", "--reason", "asked", *where)
    assert erased.returncode == 0, erased.stderr
    asked = len(kms.calls("Decrypt"))
    assert "erased" in shown(gateway, request)
    assert len(kms.calls("Decrypt")) == asked
    assert wrapped not in files(gateway)
    later = ask(gateway.client(), "later words")
    assert "later words" in shown(gateway, later)["request"]
    assert "erased" in shown(gateway, request)
    assert [each["event"] for each in events(gateway)].count("content.erased") == 1


def test_another_key_by_a_changed_policy(kept: Kept, kms: KmsSimulator) -> None:
    gateway = kept()
    before = ask(gateway.client(), "before")
    other = kms.new_key()
    gateway.policy.write_text(kept.policy(f'former_key_ids: ["{kept.key}"]', other))
    until(lambda: any(each["event"] == "policy.loaded" for each in events(gateway)))
    after = ask(gateway.client(), "after", "customer-1")
    assert kms.calls("GenerateDataKey")[-1]["KeyId"] == other
    assert "before" in shown(gateway, before)["request"]
    assert "after" in shown(gateway, after)["request"]
    gateway.policy.write_text(kept.policy("", other))
    assert "does not open with the KMS key" in shown(gateway, before)
