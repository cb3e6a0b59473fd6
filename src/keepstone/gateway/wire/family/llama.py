"""Meta Llama's bodies: one prompt in, one generation out."""

from keepstone.gateway.wire.family.shaped import Document, ShapedFamily, counted_at, settings, text_chunks
from keepstone.gateway.wire.rules import Shape, of, opaque, text
from keepstone.gateway.wire.slots import Origin

_ANSWER: Shape = {
    **settings("prompt_token_count", "generation_token_count", "stop_reason"),
    "generation": text,
    "logprobs": opaque,  # the answer once more, token by token
}


def _answer(sentence: str) -> Document:
    return {
        "generation": sentence,
        "prompt_token_count": 0,
        "generation_token_count": 0,
        "stop_reason": "stop",
    }


LLAMA = ShapedFamily(
    name="llama",
    request={
        **settings("max_gen_len", "temperature", "top_p"),
        "prompt": of(Origin.USER, text),
        "images": opaque,
    },
    response=_ANSWER,
    answer=_answer,
    events=lambda sentence: [_answer(sentence)],
    meaning=text_chunks(
        _ANSWER, {"text": ("generation",)}, lambda document: document.get("stop_reason") is not None
    ),
    counted=counted_at("", ("prompt_token_count", "generation_token_count", "", "")),
    limit=(("max_gen_len",),),
)
"""Llama 2, 3 and later."""
