"""Guardrails and the classes of what they find, in plain sentences, with what passes them."""

from collections.abc import Iterator

from keepstone.core.exchange import DataClass
from keepstone.policy.detected import compile_classes, looked_for
from keepstone.policy.explain.prose import listed
from keepstone.policy.schema.data import Data
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import (
    Action,
    BlockAction,
    Directions,
    Guardrail,
    MaskStyle,
    PiiType,
    StreamScan,
)


def explain_classes(policy: Policy) -> Iterator[str]:
    """Say what each find makes of a call: what is noted and goes on counts in full, what is masked less."""
    classes = compile_classes(policy.data)
    seen = set().union(*(looked_for(each, policy.data) for each in policy.guardrails.values()))
    yield "The highest of header, principal and content counts; what content raises is decided again."
    for data_class in reversed(DataClass):
        kinds = sorted(kind for kind, each in classes.table.items() if each is data_class and kind in seen)
        if kinds and data_class is not DataClass.PUBLIC:
            yield f"Found in clear, {listed(kinds)} make a call {data_class.label}."
    if classes.masked is None:
        yield "A mask lowers nothing: the class of what was found stays."
    else:
        yield f"Masked, they make a call at most {classes.masked.label}."
    absent = sorted(
        kind for kind, each in classes.table.items() if each > DataClass.PUBLIC and kind not in seen
    )
    if absent:
        yield f"Not looked for by any guardrail, so no call's class rises by {listed(absent)}."


def explain_guardrail(guardrail: Guardrail) -> Iterator[str]:
    """Yield what a guardrail does with what it finds, in each direction."""
    for wanted, what in ((Action.BLOCK, "block the call"), (Action.ANONYMIZE, "are masked")):
        there = [*_kinds(guardrail, "input", wanted)]
        back = [*_kinds(guardrail, "output", wanted)]
        phrases = (("On the way to the model", there), ("On the way back", back))
        for phrase, kinds in (("In both directions", there),) if there == back else phrases:
            if kinds:
                yield f"{phrase}, {listed(kinds)} {what}."
    if guardrail.injection.action is BlockAction.BLOCK:
        yield f"Prompt attacks block the call, at strength {guardrail.injection.strength}."
    if guardrail.masking.style is MaskStyle.SURROGATE:
        yield "The model reads stand-ins for masked text, the same for the same value of one caller."
        whom = "every caller" if "*" in guardrail.masking.restore_to else listed(guardrail.masking.restore_to)
        yield f"Answers give the originals back to {whom or 'nobody'}; never passwords, PINs and keys."
    leak = guardrail.prompt_leak
    if leak is not None:
        becomes = {"BLOCK": "blocked", "ANONYMIZE": "masked", "NONE": "noted"}[leak.action]
        yield f"An answer with {leak.words} words in a row of its system prompt is {becomes}."
    if guardrail.stream is StreamScan.BUFFERED:
        yield "A stream is held until all of it was inspected."
    if guardrail.uninspectable == "block":
        yield "Images and documents that cannot be read are refused."


def _kinds(guardrail: Guardrail, direction: str, wanted: Action) -> Iterator[str]:
    """Yield what a guardrail looks for with one action in one direction."""
    for name, action in guardrail.pii.items():
        if _in_direction(action, direction) is wanted:
            yield name.value
    if _in_direction(guardrail.credentials, direction) is wanted:
        yield "credentials"
    for regex in guardrail.regexes:
        if _in_direction(regex.action, direction) is wanted:
            yield f"pattern `{regex.name}`"
    words = sum(_word_action(word, direction) == wanted for word in guardrail.words)
    if words:
        yield f"{words} custom word{'s' * (words > 1)}"


def _word_action(word: object, direction: str) -> str:
    if isinstance(word, str):
        return BlockAction.BLOCK
    return str(getattr(word, "action", None) or getattr(word, direction))


def guardrail_gaps(guardrail: Guardrail, data: Data) -> Iterator[str]:
    """Yield what passes a guardrail although a reader may think that it does not."""
    acted_on = {name for name, action in guardrail.pii.items() if _acts_both_ways(action)}
    if not acted_on:
        yield "no personal data is masked or blocked in both directions."
    if _acts_both_ways(guardrail.credentials):  # `pii` may say otherwise of these two, and then counts
        acted_on |= {PiiType.AWS_ACCESS_KEY, PiiType.AWS_SECRET_KEY} - guardrail.pii.keys()
    seen = looked_for(guardrail, data)
    passing = sorted(each.value for each in PiiType if each in seen and each not in acted_on)
    absent = sorted(each.value for each in PiiType if each not in seen)
    if passing:
        yield f"passes in one direction or both: {listed(passing)}."
    if absent:
        yield f"not looked for, and so not found: {listed(absent)}."
    if not _acts_both_ways(guardrail.credentials):
        yield "credentials can pass."
    if guardrail.injection.action is BlockAction.NONE:
        yield "prompt attacks are noted, not blocked."
    if guardrail.stream is StreamScan.ASYNC:
        yield "streams leave before they are scanned: unmasked, and a find can only end them late."
    if guardrail.uninspectable == "allow":
        yield "images and documents pass uninspected."


def _acts_both_ways(action: Action | Directions) -> bool:
    return all(_in_direction(action, each) is not Action.NONE for each in ("input", "output"))


def _in_direction(action: Action | Directions, direction: str) -> Action:
    if isinstance(action, Directions):
        return action.input if direction == "input" else action.output
    return action
