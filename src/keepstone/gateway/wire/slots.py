"""Addresses of the strings of a decoded JSON document, so that text can be read and replaced in place.

A `Walk` collects them. Strings of known meaning carry their origin; everything else is still collected, as
`UNKNOWN`: a field that nobody listed is inspected, never skipped. Three things beside strings carry text: the
keys of free-form objects, numbers long enough to be a card or an account, and text files in base64.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from keepstone.core.errors import RequestError

MAX_DEPTH = 64
"""How deep free-form values may nest; Bedrock's own documents need eight levels."""

MOST_PATHS = 64

LEAST_NUMBER = 10**8  # nine digits: the shortest identity and account numbers

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:/-]{1,128}|arn:aws[A-Za-z0-9_.:/-]{1,2040}")
_MANY_DIGITS = re.compile(r"[0-9](?:[._:/-]?[0-9]){8}")
_ENCODED = re.compile(r"(?:data:[a-z0-9.+/-]{1,64};base64,)?[A-Za-z0-9+/_-]+={0,2}")
_LEAST_ENCODED = 1024

# Keys that are words of a schema and so carry nothing of a caller's.
_WORDS = """
maxTokens temperature topP stopSequences
inputTokens outputTokens totalTokens cacheReadInputTokens cacheWriteInputTokens latencyMs
additionalProperties allOf anyOf array boolean bytes cache_control cachePoint content const default
definitions description enum examples format function id index input input_schema inputSchema integer
items json maxItems maxLength maximum message messages minItems minLength minimum model name null number
object oneOf parameters pattern properties query required role schema source status strict string
text title type uniqueItems url value values
"""
KEYWORDS = frozenset(_WORDS.split())

_TOKENWISE = frozenset({"logprobs", "top_logprobs", "token_likelihoods"})
"""Members that tell an answer once more token by token: pieces in which nothing can be found."""

_CONSTANTS = frozenset({"assistant", "user", "end_turn", "tool_use", "max_tokens", "stop_sequence", "stop"})
"""Values that nearly every document holds, known to be identifiers without a closer look."""

_BARE = frozenset({int, float, bool, type(None)})

JSON_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


class Origin(StrEnum):
    """Who put a text into a call, as far as its place in the document says."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DOCUMENT = "document"
    UNKNOWN = "unknown"


class Slot(msgspec.Struct, eq=False):
    """The address of one string: `container[key]`; two slots are equal only when they are the same."""

    container: Any
    key: Any
    origin: Origin

    @property
    def value(self) -> str:
        """Return the text as it stands in the document now."""
        return self.container[self.key]  # type: ignore[no-any-return]

    def replace(self, new: str) -> None:
        """Put `new` in the place of the text."""
        self.container[self.key] = new


class NumberSlot(Slot, eq=False):
    """A number of nine digits or more, read as digits; a replacement makes it a string."""

    @property
    def value(self) -> str:
        """Return the number's digits."""
        number = self.container[self.key]
        if isinstance(number, float) and number.is_integer():
            return f"{number:.0f}"
        return str(number)

    def replace(self, new: str) -> None:
        """Put the string `new` in the place of the number, unless it says the same."""
        if new != self.value:
            self.container[self.key] = new


class KeySlot(Slot, eq=False):
    """A key of an object, as text; a replacement renames it and keeps every member.

    `partner` is the slot of the member's value, whose address changes with the key. `numbers`, shared by the
    slots of a document, has the next number for each object and name: renaming many keys stays linear.
    """

    numbers: dict[tuple[int, str], int]
    partner: Slot | None = None

    @property
    def value(self) -> str:
        """Return the key."""
        return self.key  # type: ignore[no-any-return]

    def replace(self, new: str) -> None:
        """Rename the key; two keys that are masked alike stay apart by a number."""
        if new == self.key:
            return
        name, place = new, (id(self.container), new)
        while name in self.container:
            number = self.numbers.get(place, len(self.container))
            self.numbers[place] = number + 1
            name = f"{new}_{number}"
        self.container[name] = self.container.pop(self.key)
        self.key = name
        if self.partner is not None:
            self.partner.key = name


class Base64Slot(Slot, eq=False):
    """A text file in base64, read as text and written back as base64."""

    text: str

    @property
    def value(self) -> str:
        """Return the file's text."""
        return self.text

    def replace(self, new: str) -> None:
        """Encode `new` in the place of the file, unless it says the same."""
        if new != self.text:
            self.text = new
            self.container[self.key] = b64encode(new.encode()).decode()


class EmbeddedSlot(Slot, eq=False):
    """A text, `inner`, of the JSON document `root` that is itself the string `container[key]`."""

    inner: Slot
    root: Any

    @property
    def value(self) -> str:
        """Return the text inside the inner document."""
        return self.inner.value

    def replace(self, new: str) -> None:
        """Put `new` in the inner document and write that one again, unless it says the same."""
        if new != self.value:
            self.inner.replace(new)
            self.container[self.key] = msgspec.json.encode(self.root).decode()


def readable_base64(value: object) -> str | None:
    """Return the text of a base64 UTF-8 file, or `None` when it cannot be read as text.

    A NUL means another encoding, such as UTF-16, in which patterns would not be found.
    """
    if not isinstance(value, str):
        return None
    try:
        text = b64decode(value, validate=True).decode()
    except (Base64Error, ValueError):
        return None
    return None if "\0" in text else text


def is_identifier(value: str) -> bool:
    """Say whether a string can only be a name or id: short, of plain characters, without a long number."""
    return (
        _IDENTIFIER.fullmatch(value) is not None
        and (value.startswith("arn:aws") or _MANY_DIGITS.search(value) is None)
    ) or not value


class Walk:
    """Collects the slots of one document, and the places of content that cannot be read as text."""

    __slots__ = ("_numbers", "opaque", "slots")

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str], int] = {}
        self.slots: list[Slot] = []
        self.opaque: list[tuple[Any, Any]] = []

    def text(self, container: Any, key: Any, origin: Origin) -> None:
        """Collect the string at `container[key]`; a value that is none is walked as a tree."""
        if type(container[key]) is str:
            self.slots.append(Slot(container, key, origin))
        else:
            self.tree(container, key, origin)

    def tree(self, container: Any, key: Any, origin: Origin, depth: int = 0) -> None:
        """Collect every string, key and long number at or below `container[key]`."""
        value = container[key]
        kind = type(value)
        if kind is str:
            if len(value) >= _LEAST_ENCODED and _ENCODED.fullmatch(value):
                self.opaque.append((container, key))
            self.slots.append(Slot(container, key, origin))
        elif kind is dict:
            _check_depth(depth)
            for name in value:
                self.entry(value, name, origin, depth + 1)
        elif kind is list:
            _check_depth(depth)
            for index in range(len(value)):
                self.tree(value, index, origin, depth + 1)
        elif (kind is int or kind is float) and abs(value) >= LEAST_NUMBER:
            self.slots.append(NumberSlot(container, key, origin))

    def entry(self, container: dict[str, Any], key: str, origin: Origin, depth: int = 0) -> None:
        """Collect a member of a free-form object: its key as well as its value."""
        if key in KEYWORDS:
            value = container[key]
            if not (key == "type" and type(value) is str and value in JSON_TYPES):
                self.tree(container, key, origin, depth)
            return
        if key in _TOKENWISE and type(container[key]) in (dict, list):
            self.opaque.append((container, key))
        key_slot = KeySlot(container, key, origin, self._numbers)
        self.slots.append(key_slot)
        first = len(self.slots)
        self.tree(container, key, origin, depth)
        if first < len(self.slots) and self.slots[first].container is container:
            key_slot.partner = self.slots[first]

    def settle(self, first: int) -> None:
        """Hear that the slots from `first` on are complete in themselves; of use where texts flow."""

    def name(self, container: dict[str, Any], key: str, origin: Origin) -> None:
        """Collect a key whose value, an object, is walked by somebody else."""
        if key not in KEYWORDS:
            self.slots.append(KeySlot(container, key, origin, self._numbers))

    def plain(self, container: Any, key: Any, depth: int = 0) -> None:
        """Collect nothing from names, ids, constants and numbers, and everything that is not one."""
        value = container[key]
        kind = type(value)
        if kind is str:
            if value not in _CONSTANTS and not is_identifier(value):
                self.slots.append(Slot(container, key, Origin.UNKNOWN))
        elif kind is dict:
            _check_depth(depth)
            for name, member in value.items():
                if not (name in KEYWORDS or is_identifier(name)):
                    self.entry(value, name, Origin.UNKNOWN, depth + 1)
                elif type(member) not in _BARE:
                    self.plain(value, name, depth + 1)
        elif kind is list:
            _check_depth(depth)
            for index in range(len(value)):
                self.plain(value, index, depth + 1)


Place = tuple["Place | None", Any]
"""A step of a path: the step before it, and a key or index."""


def locate(document: Any, targets: list[tuple[Any, Any]]) -> tuple[str, ...]:
    """Return the paths of `container[key]` addresses, such as `messages[0].content[1].image`.

    Names the first `MOST_PATHS` of them: enough for people to see what it was.
    """
    if not targets:
        return ()
    wanted = {(id(container), key) for container, key in targets}
    found: list[str] = []
    for container, place in places(document):
        if (id(container), place[1]) in wanted:
            found.append(path_of(place))
            if len(found) == MOST_PATHS:
                break
    return tuple(found)


def places(document: Any) -> Iterator[tuple[Any, Place]]:
    """Yield each member at any depth: the object or list that holds it, and its place."""
    pending: list[tuple[Any, Place | None]] = [(document, None)]
    while pending:
        value, above = pending.pop()
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in members:
            place = (above, key)
            yield value, place
            if isinstance(child, dict | list):
                pending.append((child, place))


def path_of(place: Place) -> str:
    """Return a place as people write it, with long names cut."""
    steps = [f"[{key}]" if isinstance(key, int) else f".{key[:64]}" for key in steps_of(place)]
    return "".join(steps).removeprefix(".")


def steps_of(place: Place) -> tuple[Any, ...]:
    """Return the keys and indexes that lead to a place."""
    steps = []
    step: Place | None = place
    while step is not None:
        step, key = step
        steps.append(key)
    return tuple(reversed(steps))


def decode_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; raise `RequestError` for anything else.

    Of a duplicate key the last one counts, and only that one is sent on.
    """
    try:
        document = msgspec.json.decode(body)
    except RecursionError as error:
        raise RequestError("the request body is nested too deeply", code="request.depth") from error
    except ValueError as error:  # includes msgspec.DecodeError and UnicodeDecodeError
        raise RequestError("the request body is not valid JSON") from error
    if type(document) is not dict:
        raise RequestError("the request body must be a JSON object")
    return document


encode_document = msgspec.json.encode
"""Return the bytes of a document that `decode_document` gave."""


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise RequestError(
            f"the document is nested more than `{MAX_DEPTH}` levels deep", code="request.depth"
        )
