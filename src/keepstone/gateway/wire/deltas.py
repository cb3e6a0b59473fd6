"""One view of every stream: what an event means to a scanner, whatever family wrote it.

TEXT of a channel is continuous: a gateway may hold it back and release it later through `with_text`. HELD
text is the JSON of a tool call, which says nothing until it is whole: it is collected until the block stops,
inspected as a document (`HeldDocument`) and sent as one event. Every other string of an event is in `slots`
and is whole: it is inspected before the event goes out. A string of a delta in a member that nobody knows
may go on in the next event, so it is a channel of its own; of two such texts in one event neither could be
held back, so that event is refused.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from keepstone.core.errors import RequestError, WireError
from keepstone.gateway.wire.converse_blocks import CITATION
from keepstone.gateway.wire.rules import (
    Shape,
    each,
    finished,
    members,
    opaque,
    plain,
    signature,
    struct,
    tree,
)
from keepstone.gateway.wire.rules import text as text_rule
from keepstone.gateway.wire.slots import Origin, Slot, Walk, is_identifier, locate, path_of, places, steps_of

_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Kind(Enum):
    """What an event is to a scanner."""

    TEXT = "text"
    HELD = "held"
    START = "start"
    STOP = "stop"
    END = "end"
    METADATA = "metadata"
    OTHER = "other"


Path = tuple[str | int, ...]
Flows = Mapping[str, tuple[Kind, Path]]
"""Where texts flow, by the name of their channel; of several empty ones the last counts."""


class Delta(msgspec.Struct, frozen=True):
    """The meaning of one event.

    `block` is the content block (empty for the whole message), `channel` the flow of text within it, `path`
    the address of `text` in the document. `final` says that no event of the channel follows: what is held
    back of it has to leave in this very event. A STOP of a block ends all its channels, an END all blocks.
    """

    kind: Kind
    block: str = ""
    channel: str = ""
    text: str = ""
    path: Path = ()
    slots: tuple[Slot, ...] = ()
    uninspectable: tuple[str, ...] = ()
    final: bool = False


def padding(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """The member is Bedrock's filler against guessing by length: a prefix of one known string."""
    value = container[key]
    if not (type(value) is str and _PADDING.startswith(value)):
        finished(tree)(walk, container, key, origin)


_EVENT: Shape = {"contentBlockIndex": plain, "p": padding}
_START: Shape = {**_EVENT, "role": plain, "start": plain}
_STOP: Shape = {**_EVENT, "stopReason": plain}
_METADATA: Shape = {
    **_EVENT,
    "usage": plain,
    "trace": tree,
    "metrics": plain,
    "performanceConfig": plain,
    "serviceTier": plain,
}
_DELTA: Shape = {
    "text": text_rule,
    "toolUse": struct({"input": text_rule}),
    "toolResult": each(struct({"text": text_rule, "json": finished(tree)})),
    "citation": finished(CITATION),
    "image": opaque,
    "reasoningContent": struct({"text": text_rule, "redactedContent": opaque, "signature": signature}),
}
_DELTA_EVENT: Shape = {**_EVENT, "delta": struct(_DELTA)}
_PLAIN_EVENT = frozenset({"delta", "contentBlockIndex", "p"})

_KINDS: dict[str, tuple[Kind, Shape]] = {
    "messageStart": (Kind.START, _START),
    "contentBlockStart": (Kind.START, _START),
    "contentBlockStop": (Kind.STOP, _STOP),
    "messageStop": (Kind.END, _STOP),
    "metadata": (Kind.METADATA, _METADATA),
}


def classify_converse(event_type: str, document: dict[str, Any]) -> Delta:
    """Return the meaning of a ConverseStream event."""
    block = _block(document)
    if event_type == "contentBlockDelta":
        return _classify_delta(document, block)
    if event_type not in _KINDS:
        return continued(document, {}, _EVENT, block=block)
    kind, shape = _KINDS[event_type]
    return whole(kind, document, shape, block=block)


def whole(kind: Kind, document: dict[str, Any], shape: Shape, *, block: str = "") -> Delta:
    """Return an event without flowing text: each of its strings is complete."""
    walk = Walk()
    members(walk, document, shape, Origin.ASSISTANT)
    return Delta(kind, block, slots=tuple(walk.slots), uninspectable=locate(document, walk.opaque))


class EventWalk(Walk):
    """Keeps apart what is complete in itself from what the next event may go on with."""

    __slots__ = ("settled",)

    def __init__(self) -> None:
        super().__init__()
        self.settled: set[int] = set()

    def settle(self, first: int) -> None:
        """Note that the slots from `first` on are complete."""
        self.settled.update(map(id, self.slots[first:]))

    def plain(self, container: Any, key: Any, depth: int = 0) -> None:
        """Collect what is no name, id, constant or number; it is complete, whatever it is."""
        first = len(self.slots)
        super().plain(container, key, depth)
        self.settle(first)

    def texts(self) -> list[Slot]:
        """Return what may go on in the next event, the empty ones left out."""
        return [
            slot for slot in self.slots if type(slot) is Slot and id(slot) not in self.settled and slot.value
        ]


def continued(
    document: dict[str, Any],
    flows: Flows,
    shape: Shape,
    *,
    block: str = "",
    final: bool = False,
    otherwise: Kind = Kind.OTHER,
) -> Delta:
    """Return an event that continues one text: of `flows`, or of a member that no shape knows.

    An event that continues none is `otherwise`. Raises `WireError` for several texts in one event.
    """
    walk = EventWalk()
    members(walk, document, shape, Origin.ASSISTANT)
    texts = walk.texts()
    if len(texts) > 1:
        raise WireError("an event carries several texts at once")
    found = [each for each in flows.items() if is_text(document, each[1][1])]
    if texts:
        at = [each for each in found if _is_at(texts[0], *_holder(document, each[1][1]))]
        channel, (kind, path) = at[0] if at else _stray(document, texts[0])
    elif found and not final:
        channel, (kind, path) = found[-1]
    else:
        return Delta(otherwise, block, slots=tuple(walk.slots), uninspectable=locate(document, walk.opaque))
    holder, key = _holder(document, path)
    rest = tuple(slot for slot in walk.slots if not _is_at(slot, holder, key))
    away = locate(document, walk.opaque)
    return Delta(kind, block, f"{block}:{channel}", holder[key], path, rest, away, final)


def _stray(document: dict[str, Any], slot: Slot) -> tuple[str, tuple[Kind, Path]]:
    """Return a text of no known flow as a flow, named by its place."""
    place = next(
        place
        for container, place in places(document)
        if container is slot.container and place[1] == slot.key and type(place[1]) is type(slot.key)
    )
    steps = steps_of(place)
    if not all(type(step) is int or is_identifier(step) for step in steps):
        raise WireError("an event carries text under a name that is none")
    return path_of(place), (Kind.TEXT, steps)


def with_text(document: dict[str, Any], delta: Delta, text: str) -> dict[str, Any]:
    """Return the event `document`, whose meaning is `delta`, with another text; `document` stays as it is."""
    return _copied(document, delta.path, text)  # type: ignore[no-any-return]


held_event = with_text
"""Return the one event that carries a whole tool call, made from any of its fragments' events."""


class HeldDocument:
    """A tool call's whole input: its strings, keys and long numbers, or its bare text when it is no JSON."""

    def __init__(self, text: str) -> None:
        try:
            value = msgspec.json.decode(text) if text.strip() else ""
        except (ValueError, RecursionError):
            value = text
            self._is_json = False
        else:
            self._is_json = bool(text.strip())
        self._root = [value]
        walk = Walk()
        try:
            walk.tree(self._root, 0, Origin.ASSISTANT)
        except RequestError as error:
            raise WireError("a tool call is nested too deeply", code="wire.depth") from error
        self.slots: tuple[Slot, ...] = tuple(walk.slots)

    def render(self) -> str:
        """Return the input as it stands after replacements."""
        if self._is_json:
            return msgspec.json.encode(self._root[0]).decode()
        return str(self._root[0])


class JoinedSlot(Slot, eq=False):
    """The strings at one place of successive events, read as one text; a replacement stands in the first."""

    parts: tuple[Slot, ...]

    @property
    def value(self) -> str:
        """Return the parts as one text."""
        return "".join(part.value for part in self.parts)

    def replace(self, new: str) -> None:
        """Put `new` in the first part and empty the others, unless it says the same."""
        if new == self.value:
            return
        self.parts[0].replace(new)
        for part in self.parts[1:]:
            part.replace("")


def joined(events: Sequence[tuple[dict[str, Any], Delta]]) -> list[Slot]:
    """Return the slots of buffered events of unknown shape, joined where the same place recurs.

    A value that an unknown family streams in pieces is so inspected as a whole. Keys and numbers are not
    joined.
    """
    groups: dict[Any, list[Slot]] = {}
    for document, delta in events:
        place_of = {(id(container), place[1]): place for container, place in places(document)}
        for slot in delta.slots:
            continuous = type(slot) is Slot
            group = place_of[id(slot.container), slot.key] if continuous else id(slot)
            groups.setdefault(group, []).append(slot)
    return [group[0] if len(group) == 1 else _join(group) for group in groups.values()]


def _join(group: list[Slot]) -> JoinedSlot:
    first = group[0]
    return JoinedSlot(first.container, first.key, first.origin, tuple(group))


def unwrap_chunk(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a `chunk` event's envelope and the family's own document inside its base64 bytes."""
    try:
        envelope = msgspec.json.decode(payload)
        document = msgspec.json.decode(b64decode(envelope["bytes"], validate=True))
    except (ValueError, TypeError, KeyError, RecursionError, Base64Error) as error:
        raise WireError("a chunk does not hold base64 of JSON") from error
    if type(document) is not dict:
        raise WireError("a chunk does not hold a JSON object")
    return envelope, document


def wrap_chunk(document: dict[str, Any]) -> bytes:
    """Return the payload of a `chunk` event that carries `document`."""
    return msgspec.json.encode({"bytes": b64encode(msgspec.json.encode(document)).decode()})


def decode_event(payload: bytes) -> dict[str, Any]:
    """Return the JSON object of an event's payload; raise `WireError` for anything else."""
    try:
        document = msgspec.json.decode(payload)
    except (ValueError, RecursionError) as error:
        raise WireError("an event does not hold JSON") from error
    if type(document) is not dict:
        raise WireError("an event does not hold a JSON object")
    return document


def _classify_delta(document: dict[str, Any], block: str) -> Delta:
    delta = document.get("delta")
    if type(delta) is dict:
        text, filler = delta.get("text"), document.get("p", "")
        if (
            type(text) is str
            and len(delta) == 1
            and document.keys() <= _PLAIN_EVENT
            and type(filler) is str
            and _PADDING.startswith(filler)
        ):
            return Delta(Kind.TEXT, block, f"{block}:text", text, ("delta", "text"))
    return continued(document, _FLOWS, _DELTA_EVENT, block=block)


_FLOWS: Flows = {
    "text": (Kind.TEXT, ("delta", "text")),
    "reasoning": (Kind.TEXT, ("delta", "reasoningContent", "text")),
    "toolResult": (Kind.TEXT, ("delta", "toolResult", 0, "text")),
    "tool": (Kind.HELD, ("delta", "toolUse", "input")),
}


def _block(document: dict[str, Any]) -> str:
    index = document.get("contentBlockIndex")
    return str(index) if type(index) is int else ""


def _holder(document: Any, path: Path) -> tuple[Any, str | int]:
    for key in path[:-1]:
        document = document[key]
    return document, path[-1]


def _is_at(slot: Slot, holder: Any, key: str | int) -> bool:
    return type(slot) is Slot and slot.container is holder and slot.key == key


def is_text(document: Any, path: Path) -> bool:
    """Say whether a string lies at `path`."""
    for key in path:
        if type(key) is int:
            if type(document) is not list or len(document) <= key:
                return False
        elif type(document) is not dict or key not in document:
            return False
        document = document[key]
    return type(document) is str


def at(document: Any, path: Path) -> Any:
    """Return what lies at `path`, which is there."""
    for key in path:
        document = document[key]
    return document


def _copied(value: Any, path: Path, text: str) -> Any:
    if not path:
        return text
    copy: Any = dict(value) if type(value) is dict else list(value)
    copy[path[0]] = _copied(value[path[0]], path[1:], text)
    return copy
