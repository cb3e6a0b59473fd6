"""How hard the laws are tried: whole in `make test`, a quarter in `make unit`, which has to stay quick."""

import os

QUICK = os.environ.get("KEEPSTONE_QUICK") == "1"


def examples(count: int) -> int:
    """Return how many examples hypothesis shall make of a law."""
    return max(10, count // 4) if QUICK else count
