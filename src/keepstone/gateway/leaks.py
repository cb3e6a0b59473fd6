"""The check that an answer does not repeat its own system prompt, for the guardrails that ask for it."""

from collections.abc import Sequence

from keepstone.core.decision import ReasonCode
from keepstone.gateway.call import Call
from keepstone.gateway.findings import blocking, note_findings, words
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.wire.slots import Origin, Slot
from keepstone.guard import leak
from keepstone.guard.guardrail import Direction, Finding, Guardrail, Outcome
from keepstone.guard.leak import SystemPrompt
from keepstone.guard.plan import OUTCOMES
from keepstone.policy.schema.guardrails import Action


def remember_system_prompt(call: Call, slots: Sequence[Slot]) -> None:
    """Keep what the answer must not repeat, as the model reads it."""
    watching = [(each, each.config.prompt_leak) for each in call.guardrails if each.config.prompt_leak]
    if watching:
        texts = [slot.value for slot in slots if slot.origin is Origin.SYSTEM]
        call.prompts = tuple((each, SystemPrompt(texts, config)) for each, config in watching)


def inspect_leaks(call: Call, slots: Sequence[Slot], metrics: Metrics) -> Sequence[Finding] | None:
    """Look for the system prompt in texts that are whole; the findings, if a guardrail blocks them."""
    for guardrail, prompt in call.prompts:
        filtered = [prompt.filtered(slot.value) for slot in slots]
        findings = leaked(prompt, sum(count for _, count in filtered))
        if blocking(findings):
            note_findings(call, findings, Direction.OUTPUT, metrics)
            call.blocker = guardrail
            return findings
        note_leaks(call, guardrail, findings, metrics)
        for slot, (text, count) in zip(slots, filtered, strict=True):
            if count and prompt.action is Action.ANONYMIZE:
                slot.replace(text)
    return None


def leaked(prompt: SystemPrompt, count: int) -> tuple[Finding, ...]:
    """Return the finding of an answer that repeats its system prompt `count` times."""
    return (Finding(leak.KIND, leak.DETECTOR, OUTCOMES[prompt.action], count),) if count else ()


def note_leaks(call: Call, guardrail: Guardrail, findings: Sequence[Finding], metrics: Metrics) -> None:
    """Note leaks that did not block, and the mask in their place."""
    note_findings(call, findings, Direction.OUTPUT, metrics)
    if any(each.action is Outcome.ANONYMIZED for each in findings):
        message = f"guardrail `{guardrail.name}` masks {words(findings)}"
        call.transform(ReasonCode.OUTPUT_MASKED, message)
