"""Values with three sides: known, known to be absent (`None`), and not known.

`Unknown` is poison: whatever a check does with it, but hand it on, raises `NotKnown`, and the engine answers
NOT_EVALUATED. So no check can take a value for granted that nobody has seen.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

_Item = TypeVar("_Item")


class NotKnown(Exception):  # noqa: N818 - a state of the facts, not a fault
    """A check needs a value that is not known; the message says why."""


class Unknown:
    """A value that nobody has seen yet.

    `sources` are the addresses of resources of which exactly one gives the value; empty if that cannot be
    told. `unset` says that nothing was asked for, so that AWS chooses.
    """

    __slots__ = ("reason", "sources", "unset")

    def __init__(self, reason: str, sources: tuple[str, ...] = (), *, unset: bool = False) -> None:
        self.reason = reason
        self.sources = sources
        self.unset = unset

    def __repr__(self) -> str:
        """Return the reason in angle brackets, as evidence shows it."""
        return f"<{self.reason}>"

    def _refuse(self, *_: object) -> NoReturn:
        raise NotKnown(self.reason)

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse what a known value would have."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotKnown(self.reason)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __hash__ = __int__ = __float__ = _refuse


Value = Any
"""`None`, a bool, number or text, a tuple or a map of values, a `Statement` of a policy, or an `Unknown`."""


def known(value: Value) -> Value:
    """Return a value that is known; raise `NotKnown` for one that is not."""
    if isinstance(value, Unknown):
        raise NotKnown(value.reason)
    return value


def every(items: Iterable[_Item], holds: Callable[[_Item], bool]) -> bool:
    """Say whether all items hold: one that does not decides, whatever is not known of others."""
    return not some(items, lambda item: not holds(item))


def some(items: Iterable[_Item], holds: Callable[[_Item], bool]) -> bool:
    """Say whether an item holds: one that does decides; else one that is not known raises `NotKnown`."""
    doubt: NotKnown | None = None
    for item in items:
        try:
            if holds(item):
                return True
        except NotKnown as error:
            doubt = doubt or error
    if doubt is not None:
        raise doubt
    return False


def shown(value: Value, longest: int = 160) -> str:
    """Return a value as evidence shows it: short, and what is not known in angle brackets."""
    text = _text(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _text(value: Value) -> str:
    match value:
        case Unknown():
            return repr(value)
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "{" + ", ".join(f"{name}: {_text(each)}" for name, each in value.items()) + "}"
        case tuple():
            return "[" + ", ".join(_text(each) for each in value) + "]"
        case _:
            return str(value)
