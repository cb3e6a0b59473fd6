"""Times Keepstone's own parts one by one: `python -m bench.micro`.

Each part is measured alone, in CPU microseconds per operation; the best of five batches counts, since other
work on the machine can only add. A part that this version does not have is named and left out.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from bench.parts import calling, deciding, recording
from bench.parts.subject import Operation

_BATCHES = 5
PARTS: tuple[tuple[str, Callable[[], Any], int], ...] = (
    ("policy admit", deciding.policy_admit, 1),
    ("residency route", deciding.residency_route, 1),
    ("budget take and settle", deciding.budget_take, 1),
    ("Valkey take and settle, 32 at once", deciding.shared_take, 32),
    ("guard inspect 4 kB", deciding.guard_inspect, 1),
    ("guard inspect 4 kB, varied", deciding.guard_varied, 1),
    ("SigV4 sign 4 kB", calling.sigv4_sign, 1),
    ("forward to one upstream", calling.forward_one, 1000),
    ("token, remembered", calling.token_remembered, 1),
    ("token, verified (RS256)", calling.token_verified, 1),
    ("SigV4 verify 4 kB", calling.sigv4_verify, 1),
    ("ledger append, one at a time", recording.ledger_append, 1),
    ("ledger append, 64 in flight", recording.ledger_append_64, 64),
    ("content not kept", recording.content_off, 1),
    ("content seal 4 kB", recording.content_seal, 1),
    ("content keep 2 x 4 kB, 64 at once", recording.content_keep_64, 64),
)


def timed(operation: Operation, seconds: float) -> tuple[float, float]:
    """CPU and wall seconds of one operation: the best of some batches that take `seconds` together."""
    operation()
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds / _BATCHES:
        operation()
        count += 1
    best = (float("inf"), float("inf"))
    for _ in range(_BATCHES):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            operation()
        spent = ((time.process_time() - cpu) / count, (time.perf_counter() - wall) / count)
        best = min(best, spent)
    return best


def main() -> int:
    """Times every part and prints a row for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each part")
    parser.add_argument("--only", default="", help="the parts whose name has this in it")
    options = parser.parse_args()
    print(f"{'part':36}{'CPU µs':>10}{'wall µs':>10}")
    for name, prepare, each in (part for part in PARTS if options.only in part[0]):
        with ExitStack() as stack:
            try:
                operation = stack.enter_context(prepare())
            except ModuleNotFoundError as error:
                print(f"{name:36}{'-':>10}{'-':>10}  this version has no `{error.name}`")
                continue
            cpu, wall = timed(operation, options.seconds)
            print(f"{name:36}{cpu / each * 1e6:>10.1f}{wall / each * 1e6:>10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
