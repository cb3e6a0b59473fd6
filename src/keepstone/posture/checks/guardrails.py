"""Guardrails: what they look for, how strictly, and how they are kept."""

from collections.abc import Mapping

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import Value, every, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

CONTENT = ("SEXUAL", "VIOLENCE", "HATE", "INSULTS", "MISCONDUCT")
SECRETS = (
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "CREDIT_DEBIT_CARD_CVV",
    "PASSWORD",
    "PIN",
)
LEAST_GROUNDING = 0.5


_STRENGTHS = {"LOW": 1, "MEDIUM": 2, "HIGH": 3}


def strength(guardrail: Reading, kind: str, side: str) -> str:
    """Return how strictly text is filtered in `input` or `output`: `NONE` where a filter is absent or off.

    Where a filter stands twice, the weaker one counts. One of images alone lets every text pass.
    """
    found = [
        _strength(each, side) for each in guardrail["filters"] if each["type"] == kind and _reads(each, side)
    ]
    return min(found, key=lambda each: _STRENGTHS.get(each, 0), default="NONE")


def _reads(each: Mapping[str, Value], side: str) -> bool:
    """Say whether a filter reads text, as it does where nothing is said of it."""
    modalities = known(each[f"{side}_modalities"])
    return not modalities or some(modalities, lambda one: bool(one == "TEXT"))


def _strength(each: Mapping[str, Value], side: str) -> str:
    if known(each[f"{side}_enabled"]) is False or each[f"{side}_action"] == "NONE":
        return "NONE"
    return str(known(each[side]))


@check("KS-GRD-001", of=Kind.GUARDRAIL)
def prompt_attack_filter_is_high(guardrail: Reading) -> Opinion:
    """The prompt-attack filter works on input at HIGH."""
    found = strength(guardrail, "PROMPT_ATTACK", "input")
    return require(found == "HIGH", f"the prompt-attack filter is `{found}`, expected `HIGH`")


@check("KS-GRD-002", of=Kind.GUARDRAIL)
def sensitive_information_is_filtered(guardrail: Reading) -> Opinion:
    """Some kind of personal data is looked for."""
    found = bool(guardrail["pii"]) or bool(guardrail["patterns"])
    return require(found, "no kind of personal data and no pattern of your own is looked for")


@check("KS-GRD-003", of=Kind.GUARDRAIL)
def sensitive_information_is_filtered_in_answers(guardrail: Reading) -> Opinion:
    """What is looked for is blocked or masked in answers too."""
    listed = (*guardrail["pii"], *guardrail["patterns"])
    if not listed:
        return failed("nothing is looked for")
    works = every(listed, lambda each: _acts(each, "output"))
    return require(works, "a kind of personal data is let through in answers")


def _acts(entity: Mapping[str, Value], side: str) -> bool:
    if known(entity[f"{side}_enabled"]) is False:
        return False
    own = known(entity[f"{side}_action"])
    return known(entity["action"] if own is None else own) in ("BLOCK", "ANONYMIZE")


@check("KS-GRD-004", of=Kind.GUARDRAIL)
def secrets_are_blocked(guardrail: Reading) -> Opinion:
    """Passwords, PINs, card codes and AWS keys are blocked, not masked."""
    blocked = tuple(each["type"] for each in guardrail["pii"] if each["action"] == "BLOCK")
    missing = [secret for secret in SECRETS if secret not in blocked]
    return require(not missing, f"not blocked: {', '.join(f'`{each}`' for each in missing)}")


@check("KS-GRD-005", of=Kind.GUARDRAIL)
def guardrail_is_encrypted_with_own_key(guardrail: Reading) -> Opinion:
    """The guardrail is encrypted with a customer-managed key."""
    return own_key(guardrail)


@check("KS-GRD-006", of=Kind.GUARDRAIL)
def every_content_filter_is_on(guardrail: Reading) -> Opinion:
    """Each of the five categories of content is filtered in both directions."""
    off = [each for each in CONTENT if "NONE" in _both(guardrail, each)]
    return require(not off, f"not filtered in both directions: {', '.join(f'`{each}`' for each in off)}")


@check("KS-GRD-007", of=Kind.GUARDRAIL)
def content_filters_are_not_low(guardrail: Reading) -> Opinion:
    """No content filter that is on works at LOW, which acts on the surest cases only."""
    low = [each for each in CONTENT if "LOW" in _both(guardrail, each)]
    return require(not low, f"`LOW` in a direction: {', '.join(f'`{each}`' for each in low)}")


def _both(guardrail: Reading, kind: str) -> tuple[str, str]:
    return strength(guardrail, kind, "input"), strength(guardrail, kind, "output")


@check("KS-GRD-008", of=Kind.GUARDRAIL)
def answers_are_grounded(guardrail: Reading) -> Opinion:
    """Where there is a knowledge base, answers are compared with what was found."""
    if not guardrail.account.snapshot.of(Kind.KNOWLEDGE_BASE):
        return not_applicable("there is no knowledge base whose passages an answer could be compared with")
    kinds = tuple(each["type"] for each in guardrail["grounding"])
    return require("GROUNDING" in kinds, "the grounding filter is off, and there is a knowledge base")


@check("KS-GRD-009", of=Kind.GUARDRAIL)
def grounding_is_not_nominal(guardrail: Reading) -> Opinion:
    """A grounding filter has a threshold that blocks something."""
    filters = guardrail["grounding"]
    if not filters:
        return not_applicable("it has no grounding filter")
    low = some(filters, lambda each: known(each["threshold"]) < LEAST_GROUNDING)
    return require(not low, f"a threshold is below {LEAST_GROUNDING}: hardly any answer is blocked")


@check("KS-GRD-010", of=Kind.GUARDRAIL)
def words_are_filtered(guardrail: Reading) -> Opinion:
    """The list of profanity, or words of your own, are refused."""
    found = bool(guardrail["word_lists"]) or guardrail["words"] > 0
    return require(found, "neither the managed list of profanity nor words of your own are refused")


@check("KS-GRD-011", of=Kind.GUARDRAIL)
def topics_are_denied(guardrail: Reading) -> Opinion:
    """Topics that are none of the application's business are refused."""
    return require(guardrail["topics"] > 0, "no topic is denied")


@check("KS-GRD-012", of=Kind.GUARDRAIL)
def guardrail_has_a_version(guardrail: Reading) -> Opinion:
    """The guardrail has a version that callers can pin."""
    if guardrail["versions"] > 0:
        return passed()
    return failed("it has only the draft, which changes under those who use it")
