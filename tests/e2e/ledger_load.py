"""A process under load: prints the number of each record when, and only when, its write was acknowledged.

Arguments: home folder, first number, how many records may be in flight, window in milliseconds, how many
records (0: until killed).
"""

import os
import sys
import threading
from pathlib import Path

from keepstone.ledger import writer
from keepstone.ledger.key import LedgerKey

writer.PUBLISH_RECORDS = 700  # publish often, so that kills also fall into publishing


def main(home: Path, first: int, in_flight: int, window_ms: float, count: int) -> None:
    room = threading.Semaphore(in_flight)

    def notify(waiters, error):
        if error is None:
            os.write(1, b"".join(b"%d\n" % number for number in waiters))
        room.release(len(waiters))

    key = LedgerKey.load_or_create(home / "keys")
    ledger = writer.Ledger.open(home / "ledger", key, notify=notify, window_ms=window_ms)
    os.write(1, b"opened %d\n" % ledger.size)
    number = first
    while not count or number < first + count:
        room.acquire()
        ledger.submit([(b'{"number":%d,"padding":"%s"}' % (number, b"." * (number % 700)), number)])
        number += 1
    ledger.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(each) for each in sys.argv[2:]))
