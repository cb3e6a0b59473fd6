"""What a well-formed document still gets wrong about guardrails: words, patterns, masks, use."""

from collections.abc import Callable, Iterator

import re2

from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import (
    Action,
    CustomRegex,
    Directions,
    Guardrail,
    MaskStyle,
    StreamScan,
)
from keepstone.policy.semantics.references import unknown, warning


def _guardrails_are_used(policy: Policy) -> Iterator[Fault]:
    used = {model.guardrail for model in policy.models}
    for name, guardrail in policy.guardrails.items():
        implied = name == "default" and guardrail == Guardrail()
        if name not in used and not implied:
            yield warning(
                ("guardrails", name),
                f"guardrail `{name}` is used by no model",
                "name it in a model; otherwise only ApplyGuardrail calls reach it",
            )


def _words_and_patterns_compile(policy: Policy) -> Iterator[Fault]:
    for name, guardrail in policy.guardrails.items():
        path: Path = ("guardrails", name)
        for index, word in enumerate(guardrail.words):
            text = word if isinstance(word, str) else word.text
            if not text.strip() or len(text) > 100:
                yield Fault((*path, "words", index), "expected a word or phrase of 1 to 100 characters")
        seen: set[str] = set()
        for index, regex in enumerate(guardrail.regexes):
            if regex.name in seen:
                yield Fault((*path, "regexes", index, "name"), f"duplicate pattern name `{regex.name}`")
            seen.add(regex.name)
            yield from _regex_compiles(regex, (*path, "regexes", index, "pattern"))


def _regex_compiles(regex: CustomRegex, path: Path) -> Iterator[Fault]:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(regex.pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        hint = "RE2 has no look-around and no back-references"
        yield Fault(path, f"not a pattern in RE2 syntax: {shown(reason)}", hint)
        return
    if compiled.search("") is not None:
        yield Fault(path, "the pattern matches empty text", "require at least one character")


def _masks_can_work(policy: Policy) -> Iterator[Fault]:
    for name, guardrail in policy.guardrails.items():
        path: Path = ("guardrails", name)
        masking = guardrail.masking
        for number, role in enumerate(masking.restore_to):
            if role != "*" and role not in policy.identities.roles:
                place = (*path, "masking", "restore_to", number)
                yield unknown(place, "role", role, policy.identities.roles)
        if masking.restore_to and masking.style is MaskStyle.TYPE:
            message = "nothing can be restored: all that is masked alike reads alike"
            yield Fault((*path, "masking", "restore_to"), message, "set `style: surrogate`")
        if guardrail.stream is StreamScan.ASYNC and _masks_output(guardrail):
            message = "a stream leaves before it is scanned, so nothing in it is masked"
            yield warning((*path, "stream"), message, "use `windowed`, or `BLOCK` what must not pass")


def _masks_output(guardrail: Guardrail) -> bool:
    actions = (*guardrail.pii.values(), *(each.action for each in guardrail.regexes), guardrail.credentials)
    return Action.ANONYMIZE in (each.output if isinstance(each, Directions) else each for each in actions)


GUARDRAIL_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _guardrails_are_used,
    _words_and_patterns_compile,
    _masks_can_work,
)
