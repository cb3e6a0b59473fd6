"""Reversible masking: stand-ins that a model can work with, and the way back for callers who may see them.

A stand-in reads `{EMAIL_bdfkqrtvwx}`: the type, and ten letters of a keyed hash of the caller, the type and
the value. The same value has the same stand-in in every call of one caller, so that a conversation stays
consistent and a prompt cache stays warm; two callers have different ones, and without the key nobody can
tell a value by trying. The way back is kept for the length of the call only: a call can only get back what
it brought itself. Secrets are never turned back; they are masked by their type.
"""

import re
from collections import Counter
from itertools import count

from keepstone.core.keyed_hash import KeyedHash
from keepstone.guard.masking import is_secret
from keepstone.guard.plan import Rule

LETTERS = "bcdfghjklmnpqrstvwxz"
"""No vowels and no digits: a stand-in is no word, and no detector takes it for a number or a token."""
LENGTH = 10


class Surrogates:
    """The stand-ins of one call; never shown by `repr`, since it knows the originals."""

    __slots__ = ("_by_value", "_caller", "_hash", "_kinds", "_originals", "_partial", "_pattern", "restored")

    def __init__(self, keyed: KeyedHash, caller: str) -> None:
        self._hash = keyed
        self._caller = caller
        self._by_value: dict[tuple[str, str], str] = {}
        self._originals: dict[str, str] = {}
        self._kinds: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._partial: re.Pattern[str] | None = None
        self.restored: Counter[str] = Counter()
        """How often an original of each type was put back."""

    def __len__(self) -> int:
        return len(self._originals)

    def stand_in(self, rule: Rule, kind: str, value: str) -> str:
        """Return what stands between the braces for `value`: a stand-in, or the type of a secret."""
        if is_secret(rule, kind):
            return kind
        known = self._by_value.get((kind, value))
        return known or self._add(kind, value)

    def restore(self, text: str) -> str:
        """Return `text` with each stand-in of this call, with or without its braces, turned back."""
        if not self._originals or "_" not in text:
            return text
        return self._compiled()[0].sub(self._original, text)

    def starts_one(self, tail: str) -> bool:
        """Say whether `tail` may be the beginning of a stand-in that more text completes."""
        return self._compiled()[1].fullmatch(tail) is not None

    @property
    def longest(self) -> int:
        """Return the length of the longest stand-in with its braces."""
        return max(map(len, self._kinds), default=0) + 1 + LENGTH + 2

    def _add(self, kind: str, value: str) -> str:
        for attempt in count():  # again where another value of this call has the same letters
            parts = (self._caller, kind, value, *([str(attempt)] if attempt else []))
            digest = self._hash("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
            name = f"{kind}_{''.join(LETTERS[byte % len(LETTERS)] for byte in digest[:LENGTH])}"
            if name not in self._originals:
                break
        self._by_value[kind, value] = name
        self._originals[name] = value
        if kind not in self._kinds:
            self._kinds.add(kind)
            self._pattern = None
        return name

    def _original(self, match: re.Match[str]) -> str:
        name = match[1] or match[2]
        original = self._originals.get(name)
        if original is None:  # it looks like one, and this call did not bring it
            return match[0]
        self.restored[name.rpartition("_")[0]] += 1
        return original

    def _compiled(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """Return what finds a stand-in of one of the call's types, and what finds the beginning of one."""
        if self._pattern is None or self._partial is None:
            kinds = sorted(self._kinds, key=len, reverse=True)
            one = f"(?:{'|'.join(map(re.escape, kinds))})_[{LETTERS}]{{{LENGTH}}}"
            self._pattern = re.compile(rf"\{{({one})\}}|({one})")
            self._partial = re.compile("|".join(map(_beginning_of, kinds)))
        return self._pattern, self._partial


def _beginning_of(kind: str) -> str:
    """Return a pattern of all that a stand-in of a type, with or without its braces, may begin with."""
    cut = "|".join(re.escape(kind[:end]) for end in range(1, len(kind) + 1))
    letters = f"{re.escape(kind)}_[{LETTERS}]"
    return rf"\{{|\{{?(?:{cut})|\{{?{letters}{{0,{LENGTH - 1}}}|\{{{letters}{{{LENGTH}}}"


class StreamRestorer:
    """Turns stand-ins back in a text that comes in pieces; the same result however it is cut."""

    __slots__ = ("_held", "_surrogates")

    def __init__(self, surrogates: Surrogates) -> None:
        self._surrogates = surrogates
        self._held = ""

    def feed(self, text: str) -> str:
        """Take a piece; return what can be released, holding back what may be the start of a stand-in."""
        text = self._held + text
        earliest = max(0, len(text) - self._surrogates.longest)
        for place in range(earliest, len(text)):
            if self._surrogates.starts_one(text[place:]):
                text, self._held = text[:place], text[place:]
                break
        else:
            self._held = ""
        return self._surrogates.restore(text)

    def finish(self) -> str:
        """Return the rest; the text is over."""
        text, self._held = self._held, ""
        return self._surrogates.restore(text)
