"""The texts of the checks: what each says, why it matters, how to mend it, which published rules agree.

The tables lie in `data/checks`, one for each subject; an id stands once. Nothing here decides.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

SUBJECTS = (
    "access",
    "agents",
    "alarms",
    "buckets",
    "containers",
    "custom_models",
    "endpoints",
    "guardrails",
    "keys",
    "knowledge_bases",
    "load_balancers",
    "logging",
    "money",
    "network",
    "stores",
    "topics",
    "trails",
)


class Severity(StrEnum):
    """How bad it is when a check fails."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Who(StrEnum):
    """Who should care: who runs the account, secures it, builds on it, keeps its data, pays for it."""

    PLATFORM = "platform"
    SECURITY = "security"
    APPLICATION = "application"
    DATA = "data"
    FINANCE = "finance"


class CheckText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One check in words.

    `at_plan` says why a plan of our module leaves it open. `trend` names rows of `trend_rules`; the other
    sources are ids as published.
    """

    title: str
    why: str
    fix: str
    severity: Severity
    who: Who
    at_plan: str = ""
    trend: tuple[str, ...] = ()
    prowler: tuple[str, ...] = ()
    security_hub: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    rules_pack: tuple[str, ...] = ()
    lens: tuple[str, ...] = ()
    checkov: tuple[str, ...] = ()

    def sources(self) -> tuple[str, ...]:
        """Return every published rule that says the same, as it is cited."""
        return (
            *(trend_rules()[slug].cited() for slug in self.trend),
            *(f"AWS Security Hub {each}" for each in self.security_hub),
            *(f"Prowler {each}" for each in self.prowler),
            *(f"aws-samples AI/ML assessment {each}" for each in self.samples),
            *(f"aws-samples Bedrock Config rules {each}" for each in self.rules_pack),
            *(f"Well-Architected Generative AI Lens {each}" for each in self.lens),
            *(f"checkov {each}" for each in self.checkov),
        )


class TrendRule(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule of Trend Micro; `id` is empty where it was not read on the rule's page."""

    title: str
    id: str = ""

    def cited(self) -> str:
        """Return how the rule is named."""
        return f"Trend Micro {self.id}: {self.title}" if self.id else f"Trend Micro: {self.title}"


class RuleSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A published set of rules by their ids; `open` says why a rule has no check.

    `field` is the field of `CheckText` in which checks name the rules that they answer.
    """

    field: str
    rules: tuple[str, ...]
    open: dict[str, str] = {}

    def answers(self) -> dict[str, tuple[str, ...]]:
        """Return the checks that answer each rule; empty where none does."""
        return {
            rule: tuple(name for name, text in check_texts().items() if rule in getattr(text, self.field))
            for rule in self.rules
        }


def _table(path: str) -> dict[str, object]:
    return tomllib.loads(files("keepstone.catalog").joinpath("data", path).read_text(encoding="utf-8"))


@cache
def trend_rules() -> Mapping[str, TrendRule]:
    """Return Trend Micro's sixteen rules on Bedrock."""
    return msgspec.convert(_table("trend_rules.toml"), dict[str, TrendRule])


@cache
def rule_sets() -> Mapping[str, RuleSet]:
    """Return the published rule sets beside Trend Micro's, by name."""
    return msgspec.convert(_table("rule_sets.toml"), dict[str, RuleSet])


@cache
def check_texts(subject: str = "") -> Mapping[str, CheckText]:
    """Return the texts of a subject, or all of them, by id; raise `ValueError` when an id stands twice."""
    found: dict[str, CheckText] = {}
    for each in (subject,) if subject else SUBJECTS:
        for check_id, text in msgspec.convert(_table(f"checks/{each}.toml"), dict[str, CheckText]).items():
            if check_id in found:
                raise ValueError(f"the text of check `{check_id}` stands twice")
            found[check_id] = text
    return dict(sorted(found.items()))
