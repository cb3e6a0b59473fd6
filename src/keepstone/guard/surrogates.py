"""Reversible masking: stand-ins that a model can work with, and the way back for callers who may see them.

A stand-in reads `{EMAIL_bdfkqrtvwx}`: the type, and ten letters of a keyed hash of the caller, the type and
the value. The same value has the same stand-in in every call of one caller, so that a conversation stays
consistent and a prompt cache stays warm; two callers have different ones, and without the key nobody can
tell a value by trying. The way back is kept for the length of the call only: a call can only get back what
it brought itself. Secrets are never turned back; they are masked by their type.
"""

import re
from collections import Counter

from keepstone.core.keyed_hash import KeyedHash
from keepstone.guard.plan import Family, Rule
from keepstone.policy.schema.guardrails import PiiType

LETTERS = "bcdfghjklmnpqrstvwxz"
"""No vowels and no digits: a stand-in is no word, and no detector takes it for a number or a token."""
_LENGTH = 10
_SECRETS = frozenset(
    {
        PiiType.AWS_ACCESS_KEY,
        PiiType.AWS_SECRET_KEY,
        PiiType.CREDIT_DEBIT_CARD_CVV,
        PiiType.PASSWORD,
        PiiType.PIN,
    }
)


class Surrogates:
    """The stand-ins of one call; never shown by `repr`, since it knows the originals."""

    __slots__ = ("_by_value", "_caller", "_hash", "_originals", "_pattern", "_starts", "restored")

    def __init__(self, keyed: KeyedHash, caller: str) -> None:
        self._hash = keyed
        self._caller = caller
        self._by_value: dict[tuple[str, str], str] = {}
        self._originals: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._starts: frozenset[str] = frozenset()
        self.restored: Counter[str] = Counter()
        """How often an original of each type was put back."""

    def __len__(self) -> int:
        return len(self._originals)

    def stand_in(self, rule: Rule, kind: str, value: str) -> str:
        """Return what stands between the braces for `value`: a stand-in, or the type of a secret."""
        if rule.family is Family.CREDENTIAL or kind in _SECRETS:
            return kind
        known = self._by_value.get((kind, value))
        return known or self._add(kind, value)

    def restore(self, text: str) -> str:
        """Return `text` with each stand-in of this call, with or without its braces, turned back."""
        if not self._originals or "_" not in text:
            return text
        return self._compiled().sub(self._original, text)

    def starts_one(self, tail: str) -> bool:
        """Say whether `tail` may be the beginning of a stand-in that more text completes."""
        self._compiled()
        return tail in self._starts

    @property
    def longest(self) -> int:
        """Return the length of the longest stand-in with its braces."""
        return max(map(len, self._originals), default=0) + 2

    def _add(self, kind: str, value: str) -> str:
        digest = self._hash("\0".join((self._caller, kind, value)).encode("utf-8", "surrogatepass")).digest()
        letters = "".join(LETTERS[byte % len(LETTERS)] for byte in digest)
        length = _LENGTH
        while f"{kind}_{letters[:length]}" in self._originals:  # another value of this call has the same
            length += 1
        name = f"{kind}_{letters[:length]}"
        self._by_value[kind, value] = name
        self._originals[name] = value
        self._pattern = None
        return name

    def _original(self, match: re.Match[str]) -> str:
        name = match[1] or match[2]
        self.restored[name.rpartition("_")[0]] += 1
        return self._originals[name]

    def _compiled(self) -> re.Pattern[str]:
        if self._pattern is None:
            names = sorted(self._originals, key=len, reverse=True)
            either = "|".join(map(re.escape, names))
            self._pattern = re.compile(rf"\{{({either})\}}|({either})")
            forms = [form for name in names for form in (name, f"{{{name}}}")]
            self._starts = frozenset(form[:end] for form in forms for end in range(1, len(form) + 1))
        return self._pattern


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
