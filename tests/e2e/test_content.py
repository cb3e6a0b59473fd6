"""Kept content as its owners meet it: sealed, named by the record, read on record, erased, held, pruned."""

import json
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.conversation import CARD, EMAIL, TOOLS, events_of, said, streamed, user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import REVERSIBLE, document
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-content")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
HEADER = "retention: {content: encrypted, subject: {source: header, name: X-Keepstone-Subject}}"
METADATA = "retention: {content: encrypted, subject: {source: metadata, name: customer, missing: principal}}"
WORDS = "the zebra quartz xylophone"


@pytest.fixture
def kept(start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator) -> GatewayProcess:
    return start(policy=document(bedrock.url, openai.base_url, extra=METADATA))


def ledger(gateway: GatewayProcess, *arguments: str) -> Any:
    """The result of a `keepstone ledger` command on this gateway's ledger."""
    done = gateway.keepstone(
        "ledger", *arguments, "--ledger", str(gateway.home / "ledger"), "--format", "json"
    )
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def refused(gateway: GatewayProcess, *arguments: str) -> str:
    """What a `keepstone ledger` command says that fails."""
    done = gateway.keepstone("ledger", *arguments, "--ledger", str(gateway.home / "ledger"))
    assert done.returncode == 3, (done.stdout, done.stderr)
    return done.stderr


def ask(client: Any, text: str, customer: str = "customer-4711", model: str = CLAUDE) -> str:
    """Call for a customer; the request's id."""
    answer = client.converse(modelId=model, messages=user(text), requestMetadata={"customer": customer})
    return str(answer["ResponseMetadata"]["RequestId"])


def files(gateway: GatewayProcess) -> bytes:
    """Everything that lies in the gateway's folder, and its log."""
    paths = [path for path in gateway.home.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in paths) + gateway.log.read_bytes()


def events(gateway: GatewayProcess) -> list[dict[str, Any]]:
    return [each for each in gateway.records() if each["kind"] == "event"]


def test_content_is_sealed_masked_and_read_on_record(kept: GatewayProcess, bedrock: BedrockSimulator) -> None:
    bedrock.behave(Behaviour(text=f"write to {EMAIL}, says the {WORDS}"))
    request = ask(kept.client(), f"I am {EMAIL} and like the {WORDS}")
    stored = files(kept)
    assert WORDS.encode() not in stored
    assert b"customer-4711" not in stored
    shown = ledger(kept, "show", request, "--content", "--by", "auditor")
    assert WORDS in shown["request"]
    assert WORDS in shown["response"]
    assert EMAIL not in shown["request"] + shown["response"]
    (read,) = [each for each in events(kept) if each["event"] == "content.read"]
    assert read["detail"] == {"id": request, "by": "auditor"}
    assert kept.verify().returncode == 0


def test_a_stream_and_its_tool_call_are_kept_in_two_records(
    kept: GatewayProcess, bedrock: BedrockSimulator
) -> None:
    bedrock.behave(Behaviour(text=f"it says {WORDS} and {EMAIL}", pieces=(5,)))
    answer = kept.client().converse_stream(modelId=CLAUDE, messages=user("hello"), toolConfig=TOOLS)
    request = answer["ResponseMetadata"]["RequestId"]
    assert WORDS in streamed(answer)
    opened, closed = [each for each in kept.records() if each["id"] == request]
    assert (set(opened["sealed"]), set(closed["sealed"])) == (
        {"subject", "segment", "request"},
        {"subject", "segment", "response"},
    )
    shown = ledger(kept, "show", request, "--content")
    assert list(json.loads(shown["response"]).values()) == [f"it says {WORDS} and {{EMAIL}}"]


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_what_a_reversible_mask_puts_back_is_not_kept(
    kept: GatewayProcess, bedrock: BedrockSimulator, way: str
) -> None:
    client, model = kept.client(), REVERSIBLE + CLAUDE
    asked = {"modelId": model, "messages": user(f"mail {EMAIL}"), "toolConfig": TOOLS}
    client.converse(**asked)
    (stand_in,) = re.findall(r"\{EMAIL_[a-z]{10}\}", bedrock.requests[-1].body.decode())
    tool = ToolCall("send_mail", {"to": stand_in})
    bedrock.behave(Behaviour(text=f"to {stand_in}", tools=(tool,), pieces=(3,)))
    if way == "whole":
        answer = client.converse(**asked)
        assert EMAIL in said(answer)
    else:
        answer = client.converse_stream(**asked)
        assert EMAIL in str(events_of(answer))
    shown = ledger(kept, "show", answer["ResponseMetadata"]["RequestId"], "--content")
    assert EMAIL not in shown["request"] + shown["response"]
    assert shown["response"].count(stand_in) == 2


def test_what_is_blocked_is_not_kept(kept: GatewayProcess) -> None:
    ask(kept.client(), f"my card is {CARD}")
    assert "sealed" not in kept.records()[-1]
    assert not (kept.home / "ledger/content").exists()


def test_erasure_while_the_gateway_runs(kept: GatewayProcess) -> None:
    client = kept.client()
    before, other = ask(client, f"about {WORDS}"), ask(client, "another customer's", "customer-1")
    assert ledger(kept, "show", before, "--content")["request"]
    done = ledger(kept, "erase", "--subject", "customer-4711", "--reason", "they asked")
    assert done["erased"] is True
    after = ask(client, "later words")
    assert "erased" in refused(kept, "show", before, "--content")
    assert "another customer" in ledger(kept, "show", other, "--content")["request"]
    assert "later words" in ledger(kept, "show", after, "--content")["request"]
    (erased,) = [each for each in events(kept) if each["event"] == "content.erased"]
    assert erased["detail"]["subject"] == kept.record(before)["sealed"]["subject"] == done["subject"]
    assert erased["detail"]["key"] == done["key"]
    assert b"customer-4711" not in files(kept)
    assert kept.verify().returncode == 0
    assert kept.stop() == 0
    assert "erased" in refused(kept, "show", before, "--content")
    assert kept.verify().returncode == 0


def test_erasure_when_no_gateway_runs(kept: GatewayProcess) -> None:
    request = ask(kept.client(), "hello")
    assert kept.stop() == 0
    assert ledger(kept, "show", request, "--content")["request"]
    assert ledger(kept, "erase", "--subject", "customer-4711", "--reason", "they asked")["erased"] is True
    assert "erased" in refused(kept, "show", request, "--content")
    assert [each["event"] for each in events(kept)][-2:] == ["content.read", "content.erased"]
    assert kept.verify().returncode == 0


def test_a_hold_forbids_erasure_until_it_is_released(kept: GatewayProcess) -> None:
    request = ask(kept.client(), "evidence")
    held = ledger(kept, "hold", "add", "--subject", "customer-4711", "--reason", "case 17", "--by", "legal")
    answer = ledger(kept, "erase", "--subject", "customer-4711", "--reason", "they asked")
    assert (answer["erased"], answer["because"]) == (False, "case 17")
    assert "evidence" in ledger(kept, "show", request, "--content")["request"]
    assert [each["by"] for each in ledger(kept, "hold", "list")] == ["legal"]
    released = kept.keepstone(
        "ledger", "hold", "release", held["id"], "--reason", "closed", "--ledger", str(kept.home / "ledger")
    )
    assert released.returncode == 0, released.stderr
    assert ledger(kept, "erase", "--subject", "customer-4711", "--reason", "they asked")["erased"] is True
    assert [each["event"] for each in events(kept) if "." in each["event"]][-5:] == [
        "hold.added",
        "content.erasure_refused",
        "content.read",
        "hold.released",
        "content.erased",
    ]


def test_a_hold_whose_file_is_taken_away_is_missed(kept: GatewayProcess) -> None:
    held = ledger(kept, "hold", "add", "--subject", "customer-4711", "--reason", "case 17")
    assert kept.verify().returncode == 0
    path = kept.home / f"ledger/holds/{held['id']}.json"
    aside = path.rename(path.with_suffix(".away"))
    verified = kept.verify()
    assert (verified.returncode, f"hold `{held['id']}` is on record" in verified.stdout) == (1, True)
    aside.rename(path)
    assert kept.verify().returncode == 0


def test_two_keys_of_one_name_are_two_subjects(
    start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator
) -> None:
    gateway = start(policy=document(bedrock.url, openai.base_url, extra="retention: {content: encrypted}"))
    body = json.dumps({"messages": user("hello")}).encode()
    keys = [gateway.key("application") for _ in range(2)]
    calls = []
    for key in keys:
        _, headers, _ = gateway.post(f"/model/{CLAUDE}/converse", body, token=key["token"])
        calls.append(headers["x-amzn-requestid"])
    subjects = [gateway.record(each)["sealed"]["subject"] for each in calls]
    assert subjects[0] != subjects[1]
    erased = ledger(gateway, "erase", "--subject", f"key:{keys[0]['id']}", "--reason", "asked for")
    assert (erased["erased"], erased["subject"]) == (True, subjects[0])
    shown = gateway.keepstone(
        "ledger", "show", calls[0], "--content", "--ledger", gateway.home / "ledger", "--format", "json"
    )
    assert shown.returncode != 0
    assert "hello" in json.dumps(ledger(gateway, "show", calls[1], "--content"))


def test_a_call_without_its_subject_is_refused(
    start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator
) -> None:
    gateway = start(policy=document(bedrock.url, openai.base_url, extra=HEADER))
    body = json.dumps({"messages": user("hello")}).encode()
    path = f"/model/{CLAUDE}/converse"
    status, headers, _ = gateway.post(path, body)
    assert (status, headers["x-keepstone-reason"]) == (400, "subject_missing")
    assert gateway.post(path, body, {"x-keepstone-subject": "principal:root"})[0] == 400
    assert bedrock.requests == []
    status, headers, _ = gateway.post(path, body, {"x-keepstone-subject": "customer-1"})
    assert status == 200
    assert ledger(gateway, "show", headers["x-amzn-requestid"], "--content")["request"]


@pytest.mark.parametrize("failure", ["refuse", "proceed"])
def test_content_that_cannot_be_kept(
    start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, failure: str
) -> None:
    extra = f"retention: {{content: encrypted, content_failure: {failure}}}"
    gateway = start(policy=document(bedrock.url, openai.base_url, extra=extra))
    (gateway.home / "ledger/content").write_text("in the way")
    body = json.dumps({"messages": user("hello")}).encode()
    status, headers, _ = gateway.post(f"/model/{CLAUDE}/converse", body)
    record = gateway.record(headers["x-amzn-requestid"])
    if failure == "proceed":
        assert (status, record["sealed"]["failure"]) == (200, "ledger.error")
        assert "keepstone_content_not_kept_total 1.0" in gateway.get("/metrics")[1]
    else:
        assert (status, headers["x-keepstone-reason"]) == (503, "content_unavailable")
        assert record["reasons"][0]["code"] == "content_unavailable"
    assert gateway.verify().returncode == 0


def test_content_before_its_record_survives_a_kill(kept: GatewayProcess) -> None:
    first = ask(kept.client(), "first")
    kept.kill()
    (segment,) = (kept.home / "ledger/content").iterdir()
    with segment.open("ab") as file:  # a frame that no record names, cut short
        file.write(segment.read_bytes()[:-7])
    kept.start()
    second = ask(kept.client(), "second")
    assert "first" in ledger(kept, "show", first, "--content")["request"]
    assert "second" in ledger(kept, "show", second, "--content")["request"]
    assert kept.verify().returncode == 0


def test_a_byte_changed_in_the_store_is_noticed(kept: GatewayProcess) -> None:
    request = ask(kept.client(), "hello")
    (segment,) = (kept.home / "ledger/content").iterdir()
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    assert "changed" in refused(kept, "show", request, "--content")


def test_expiry_leaves_what_is_held(kept: GatewayProcess) -> None:
    mine, others = ask(kept.client(), "mine"), ask(kept.client(), "others", "customer-1")
    (segment,) = (kept.home / "ledger/content").iterdir()
    assert kept.stop() == 0
    ledger(kept, "hold", "add", "--subject", "customer-4711", "--reason", "case 17")
    short = ("prune", "--content-days", "1", "--policy", str(kept.policy))
    none = kept.keepstone("ledger", *short, "--ledger", str(kept.home / "ledger"))
    assert (none.returncode, "the policy keeps content for 30 days" in none.stderr) == (2, True)
    old = (*short, "--below-policy", "--reason", "order 2026-17")
    assert ledger(kept, *old)["parts"] == "0"  # it is of today
    aged = segment.with_name("2026-01-01" + segment.name[10:])
    segment.rename(aged)
    assert ledger(kept, *old, "--dry-run") == {"records": "0", "parts": "2", "held_parts": "2"}
    assert ledger(kept, *old) == {"records": "0", "parts": "2", "held_parts": "2"}
    aged.rename(segment)
    assert "mine" in ledger(kept, "show", mine, "--content")["request"]
    assert "gone" in refused(kept, "show", others, "--content")
    ordered, pruned, _ = events(kept)[-3:]
    assert [each["event"] for each in events(kept)][-2:] == ["ledger.pruned", "content.read"]
    assert ordered["event"] == "ledger.prune_ordered"
    assert ordered["detail"]["reason"] == "order 2026-17"
    assert (ordered["detail"]["policy"], pruned["detail"]["content_days"]) == ("content for 30 days", "1")


def test_nothing_is_kept_by_default(start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator) -> None:
    gateway = start(policy=document(bedrock.url, openai.base_url))
    assert said(gateway.client().converse(modelId=CLAUDE, messages=user("hello")))
    assert not (gateway.home / "ledger/content").exists()
    assert not (gateway.home / "keys/content").exists()
    assert "sealed" not in gateway.records()[-1]


CUT_SHORT = """
import os, signal, sys, time
from pathlib import Path
from keepstone.core.settings import Settings
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.vault import Piece
from keepstone.wiring.service import open_vault
settings = Settings(home=Path(sys.argv[1]))
key = LedgerKey.load(settings.keys)
piece = Piece("cut-short", key.subject("customer-4711"), b"a request", b"an answer")
open_vault(settings, key).keep([piece], time.time_ns())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_between_content_and_record_leaves_content_that_no_record_names(kept: GatewayProcess) -> None:
    request = ask(kept.client(), "hello")
    assert kept.stop() == 0
    killed = subprocess.run([sys.executable, "-c", CUT_SHORT, str(kept.home)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((kept.home / "ledger/content").iterdir())) == 2
    assert kept.verify().returncode == 0
    kept.start()
    assert "hello" in ledger(kept, "show", request, "--content")["request"]
    none = kept.keepstone("ledger", "show", "cut-short", "--content", "--ledger", str(kept.home / "ledger"))
    assert (none.returncode, "no content is kept" in none.stderr) == (2, True)
