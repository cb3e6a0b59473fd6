"""The explicit list of every recogniser; an id stands once."""

from collections.abc import Iterable

from keepstone.detect import credentials, numbers, personal
from keepstone.detect.recogniser import Recogniser

PERSONAL: tuple[Recogniser, ...] = (*personal.ROWS, *numbers.ROWS)
CREDENTIALS: tuple[Recogniser, ...] = credentials.ROWS


def by_id(rows: Iterable[Recogniser]) -> dict[str, Recogniser]:
    """Index rows by id; raise `ValueError` when an id stands twice."""
    index: dict[str, Recogniser] = {}
    for row in rows:
        if row.id in index:
            raise ValueError(f"recogniser `{row.id}` is listed twice")
        index[row.id] = row
    return index


EVERY: dict[str, Recogniser] = by_id((*PERSONAL, *CREDENTIALS))
