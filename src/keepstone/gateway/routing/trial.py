"""Which principals get a trial; the same ones always, in every process. Pure."""

import hashlib

from keepstone.policy.rules import Trial

_STEPS = 1 << 32


def chosen(trial: Trial, principal: str) -> bool:
    """Say whether a principal is among those who get the trial.

    A hash keyed by the trial decides: it needs no memory, is the same in every process, and whoever is
    chosen stays so when the share grows.
    """
    key = hashlib.sha256(f"{trial.route.id}\n{sorted(trial.route.upstream_ids.items())}".encode()).digest()
    drawn = hashlib.blake2b(principal.encode(), key=key, digest_size=4).digest()
    return int.from_bytes(drawn) < trial.percent / 100 * _STEPS
