"""The bytes of the benchmark: one request of 4.1 kB and one answer of 1.3 kB, in both protocols.

Ordinary prose, so that no contender's content check finds anything and all of the text is read.
"""

import json
from typing import Any

MODEL = "anthropic.claude-3-5-sonnet-20240620-v1:0"
REQUEST_BYTES = 4_100
ANSWER_BYTES = 1_300

_QUESTION = (
    "The river bends twice before it reaches the old mill, and each spring the low meadow lies under water. "
    "Farmers there plant late and choose varieties that ripen fast, because the soil stays cold until May. "
    "A study of the last forty years of harvests found that yields rose in dry years and fell in wet ones. "
    "The village council wants to know whether a second drainage channel would pay for itself in ten years. "
    "Consider the cost of digging, the land that is lost, the upkeep, and what happens to the wetland birds. "
)
_ANSWER = (
    "A second channel would likely pay for itself, but slowly, and the answer depends on how wet the coming "
    "springs turn out to be. In an average year the drained meadow gains about three weeks of growing time. "
    "The cost of digging falls early, the gains arrive late, so the interest rate counts more than upkeep. "
    "The birds would lose part of their ground; a sluice that stays closed until June keeps most of it. "
)


def _filled(sentences: str, frame: Any, size: int) -> bytes:
    """`frame(text)` as JSON of exactly `size` bytes."""
    empty = len(json.dumps(frame("")))
    text = (sentences * (1 + size // len(sentences)))[: size - empty - 1] + "."
    return json.dumps(frame(text)).encode()


def _converse_request(text: str) -> Any:
    message = {"role": "user", "content": [{"text": text}]}
    return {"messages": [message], "inferenceConfig": {"maxTokens": 512, "temperature": 0.2}}


def _chat_request(text: str) -> Any:
    message = {"role": "user", "content": text}
    return {"model": "bench", "messages": [message], "max_tokens": 512, "temperature": 0.2}


def _converse_answer(text: str) -> Any:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 812, "outputTokens": 236, "totalTokens": 1048},
        "metrics": {"latencyMs": 1},
    }


def _chat_answer(text: str) -> Any:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 812, "completion_tokens": 236, "total_tokens": 1048},
    }


CONVERSE_REQUEST = _filled(_QUESTION, _converse_request, REQUEST_BYTES)
CHAT_REQUEST = _filled(_QUESTION, _chat_request, REQUEST_BYTES)
CONVERSE_ANSWER = _filled(_ANSWER, _converse_answer, ANSWER_BYTES)
CHAT_ANSWER = _filled(_ANSWER, _chat_answer, ANSWER_BYTES)


def said(answer: bytes) -> str:
    """The text of an answer in either protocol; raises where there is none."""
    body = json.loads(answer)
    if "choices" in body:
        return str(body["choices"][0]["message"]["content"])
    return str(body["output"]["message"]["content"][0]["text"])


def converse(text: str) -> bytes:
    """A Converse request that says `text`."""
    return json.dumps(_converse_request(text)).encode()
