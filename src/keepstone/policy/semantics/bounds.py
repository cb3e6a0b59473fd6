"""Durations that contradict each other, or are longer than is safe."""

from collections.abc import Callable, Iterator

from keepstone.policy.duration import parse_duration
from keepstone.policy.problems import Fault
from keepstone.policy.schema.document import Policy

_LONGEST_STALE = "1h"


_LONGEST_BOUNDED_LOSS = "1s"


def _bounds_agree(policy: Policy) -> Iterator[Fault]:
    keys = policy.identities.keys
    if parse_duration(keys.default_lifetime) > parse_duration(keys.max_lifetime):
        yield Fault(
            ("identities", "keys", "default_lifetime"), "`default_lifetime` is longer than `max_lifetime`"
        )
    if parse_duration(policy.record.window) > parse_duration(_LONGEST_BOUNDED_LOSS):
        yield Fault(
            ("record", "window"), f"expected at most `{_LONGEST_BOUNDED_LOSS}`, got `{policy.record.window}`"
        )
    stale_for = policy.store.stale_for
    if parse_duration(stale_for) > parse_duration(_LONGEST_STALE):
        yield Fault(("store", "stale_for"), f"expected at most `{_LONGEST_STALE}`, got `{stale_for}`")


BOUND_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (_bounds_agree,)
