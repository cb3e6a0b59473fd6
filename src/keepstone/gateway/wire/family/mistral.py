"""Mistral's bodies: an instruction prompt with outputs, or a chat with choices."""

from dataclasses import replace

from keepstone.gateway.wire.family import chat
from keepstone.gateway.wire.family.shaped import Document

_OUTPUT = "outputs"


def _answer(sentence: str) -> Document:
    return {_OUTPUT: [{"text": sentence, "stop_reason": "stop"}]}


PROMPT = replace(chat.CHAT, name="mistral", answer=_answer, events=lambda sentence: [_answer(sentence)])
"""Mistral 7B, Mixtral, Mistral Large and Small by prompt; a chat body is read all the same."""

CHAT = replace(chat.CHAT, name="mistral-chat")
"""The models whose answers are always choices, such as Pixtral and Mistral Large 2."""
