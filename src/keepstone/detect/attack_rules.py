"""The prompt-attack rules, read from their table."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from keepstone.detect.attack_patterns import ENGLISH, FRENCH, GERMAN, ROMANCE, WORDS


class Confidence(IntEnum):
    """How sure a rule is, in Bedrock's words."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Category(StrEnum):
    """What an attack tries."""

    OVERRIDE = "override"
    LEAKAGE = "leakage"
    JAILBREAK = "jailbreak"
    DELIMITER = "delimiter"
    ENCODED = "encoded"
    EXFILTRATION = "exfiltration"
    INDIRECT = "indirect"


@dataclass(frozen=True, slots=True)
class AttackRule:
    """One rule: a stable id, what it is about, how sure it is, and the RE2 pattern it looks for."""

    id: str
    category: Category
    confidence: Confidence
    pattern: str


_BETWEEN_WORDS = "[\\s,;:\\-\u2013\u2014\"'\u201c\u201d\u2018\u2019*_(]+"


def _read(table: str) -> Iterator[AttackRule]:
    for line in table.strip().splitlines():
        id_, confidence, pattern = line.split(" ", 2)
        category = Category(id_.partition(".")[0])
        yield AttackRule(id_, category, Confidence[confidence], "(?i)" + _spaced(_expanded(pattern)))


def _expanded(pattern: str) -> str:
    """Put the word lists in the place of their names."""
    for name, words in WORDS.items():
        pattern = pattern.replace(f"{{{name}}}", words)
    return pattern


def _spaced(pattern: str) -> str:
    """Put white space for each `_` that stands outside of a class and is not escaped."""
    out: list[str] = []
    in_class, previous = False, ""
    for each in pattern:
        if each in "[]" and previous != "\\":
            in_class = each == "["
        out.append(_BETWEEN_WORDS if each == "_" and not in_class and previous != "\\" else each)
        previous = each
    return "".join(out)


RULES: tuple[AttackRule, ...] = tuple(
    rule for table in (ENGLISH, GERMAN, FRENCH, ROMANCE) for rule in _read(table)
)
