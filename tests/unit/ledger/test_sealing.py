"""Sealed content: what goes in comes out, and no byte of it can be another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.errors import LedgerError
from keepstone.ledger.sealing import Label, digest, frames, seal, unseal

KEY = bytes(range(32))
ids = st.text(st.characters(codec="utf-8"), max_size=40)
labels = st.builds(Label, ids, ids, st.sampled_from(["request", "response"]), ids, ids)
LABEL = Label("keepstone/0", "r-1", "request", "0" * 64, "k")


@given(labels, st.binary(max_size=300))
def test_what_was_sealed_comes_out_and_does_not_show(label, content) -> None:
    frame = seal(KEY, label, content)
    assert unseal(KEY, frame) == content
    (found,) = frames(frame)
    assert (found.label, found.data, found.digest) == (label, frame, digest(frame))
    assert len(content) < 8 or content not in frame


@given(labels, st.binary(max_size=100), st.data())
def test_any_flip_of_a_bit_fails(label, content, data) -> None:
    frame = bytearray(seal(KEY, label, content))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(LedgerError):
        unseal(KEY, bytes(frame))


@given(st.binary(max_size=60), st.data())
def test_a_frame_that_is_cut_or_longer_fails(content, data) -> None:
    frame = seal(KEY, LABEL, content)
    with pytest.raises(LedgerError):
        unseal(KEY, frame[: data.draw(st.integers(0, len(frame) - 1))])
    with pytest.raises(LedgerError):
        unseal(KEY, frame + data.draw(st.binary(min_size=1, max_size=9)))


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_of_a_torn_file_the_whole_frames_are_read(contents, data) -> None:
    made = [seal(KEY, LABEL, each) for each in contents]
    torn = seal(KEY, LABEL, b"torn")
    file = b"".join(made) + torn[: data.draw(st.integers(0, len(torn) - 1))]
    assert [each.data for each in frames(file)] == made


def test_a_frame_does_not_open_with_another_key_and_never_looks_the_same() -> None:
    frame = seal(KEY, LABEL, b"content")
    assert frame != seal(KEY, LABEL, b"content")
    with pytest.raises(LedgerError, match="does not open"):
        unseal(bytes(32), frame)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_frame(data) -> None:
    assert list(frames(data)) == []
    with pytest.raises(LedgerError):
        unseal(KEY, data)
