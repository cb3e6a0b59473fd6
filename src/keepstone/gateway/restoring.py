"""Reversible masking of a call: stand-ins on the way in, originals on the way back for who may see them."""

from collections.abc import Sequence

from keepstone.gateway.call import Call
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.wire.slots import Slot
from keepstone.guard.guardrail import Direction, Guardrail
from keepstone.guard.masking import StandIn, by_type
from keepstone.guard.surrogates import Surrogates
from keepstone.ledger.record import FindingNote
from keepstone.policy.schema.guardrails import MaskStyle

RESTORED = "RESTORED"
"""The action of a finding whose original was put back into the answer."""


def stand_in_for(call: Call, guardrail: Guardrail, direction: Direction) -> StandIn:
    """Return how a guardrail masks: reversibly only what the caller sends, since only that can come back."""
    if direction is Direction.OUTPUT or guardrail.config.masking.style is not MaskStyle.SURROGATE:
        return by_type
    if call.surrogates is None:
        principal = call.principal
        caller = "\0".join((principal.kind, principal.tenant, principal.id, principal.key_id))
        call.surrogates = Surrogates(call.active.surrogate_hash, caller)
    return call.surrogates.stand_in


def may_see_originals(call: Call) -> bool:
    """Say whether the answer gets back what was masked reversibly: every guardrail must let this caller."""
    return call.surrogates is not None and all(
        "*" in allowed or not set(allowed).isdisjoint(call.principal.roles)
        for allowed in (
            each.config.masking.restore_to
            for each in call.guardrails
            if each.config.masking.style is MaskStyle.SURROGATE
        )
    )


def restore_slots(call: Call, slots: Sequence[Slot]) -> None:
    """Put originals back into inspected texts, if this caller may see them."""
    if call.surrogates is None or not may_see_originals(call):
        return
    for slot in slots:
        before = slot.value
        after = call.surrogates.restore(before)
        if after != before:
            slot.replace(after)


def note_restored(call: Call, metrics: Metrics) -> None:
    """Note types and counts of what was put back."""
    if call.surrogates is None:
        return
    for kind, count in sorted(call.surrogates.restored.items()):
        call.findings.append(FindingNote("output", kind, RESTORED, count, "surrogate"))
        metrics.findings("output", kind, RESTORED).inc(count)
    call.surrogates.restored.clear()
