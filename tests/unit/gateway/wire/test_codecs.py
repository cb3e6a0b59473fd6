"""The law of every codec: bytes that nobody foresaw end in our own errors, never in another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.codecs import CODECS, HEAD, holds

WORDS = sorted(
    {"messages", "role", "user", "assistant", "content", "text", "type", "tool_use", "output", "message"}
    | {"stopReason", "delta", "contentBlockIndex", "toolUse", "reasoningContent", "model", "input", "start"}
    | {"choices", "function", "tools", "image_url", "url", "name", "id", "arguments", "usage", "embedding"}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=12,
)


def _merged(head: bytes, extra: object) -> bytes:
    document = json.loads(head)
    return json.dumps(document | extra if isinstance(extra, dict) else extra).encode()


BYTES = (
    st.binary(max_size=80)
    | st.builds(_merged, st.sampled_from(list(HEAD.values())), VALUES)
    | st.builds(
        lambda name, value: name.encode() + b" " + json.dumps(value).encode(),
        st.sampled_from(
            ["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata"]
        ),
        VALUES,
    )
)


@pytest.mark.parametrize("name", CODECS)
@given(data=BYTES)
def test_only_our_own_errors_escape(name: str, data: bytes) -> None:
    holds(CODECS[name], data)
