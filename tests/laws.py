"""How hard the laws are tried.

`make test` tries the same examples on every machine, so that what it says of a commit does not change;
`make unit` tries a twentieth of them; `make laws` tries twenty times as many, others at every run.
"""

import os

from hypothesis import settings

QUICK = os.environ.get("KEEPSTONE_QUICK") == "1"
SEARCH = os.environ.get("KEEPSTONE_LAWS") == "search"
_DEFAULT = 100

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=10)
settings.register_profile("search", derandomize=False, deadline=None, max_examples=20 * _DEFAULT)
settings.load_profile("quick" if QUICK else "search" if SEARCH else "same")


def examples(count: int) -> int:
    """Return how many examples hypothesis shall make of a law."""
    if QUICK:
        return max(10, count // 20)
    return 20 * count if SEARCH else count
