"""How hard the laws are tried: whole in `make test`, a twentieth in `make unit`, which has to stay quick."""

import os

from hypothesis import settings

QUICK = os.environ.get("KEEPSTONE_QUICK") == "1"

if QUICK:
    settings.register_profile("quick", max_examples=10)
    settings.load_profile("quick")


def examples(count: int) -> int:
    """Return how many examples hypothesis shall make of a law."""
    return max(10, count // 20) if QUICK else count
