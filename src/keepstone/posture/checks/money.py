"""Money: budgets and monitors of what is unusual, and that somebody is told."""

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import every
from keepstone.posture.verdict import Opinion, failed, require


@check("KS-BUD-001", of=Kind.BUDGET)
def budget_notifies(budget: Reading) -> Opinion:
    """Each step of the budget is told to somebody."""
    notes = budget["notifications"]
    if not notes:
        return failed("it has no notification: money is spent and nobody is told")
    return require(every(notes, bool), "a notification has no subscriber")


@check("KS-BUD-002", of=Kind.SPEND_MONITOR)
def unusual_spend_is_told(monitor: Reading) -> Opinion:
    """Somebody is subscribed to the monitor of unusual spend."""
    return require(monitor["subscribers"] > 0, "nobody is subscribed to it")
