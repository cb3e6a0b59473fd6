"""What is written down, when an answer may leave, and how long things are kept."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration


class Retention(Closed, frozen=True, kw_only=True):
    """How long things are kept."""

    ledger_days: Annotated[int, Meta(ge=1, le=36500, description="entries older than this are pruned")] = 400
    content: Annotated[
        Literal["none"], Meta(description="prompts and answers are not stored; only keyed hashes of them are")
    ] = "none"


class Durability(StrEnum):
    """When an answer may leave: after its record is on disk, or at most a window earlier."""

    STRICT = "strict"
    BOUNDED = "bounded"


class Record(Closed, frozen=True, kw_only=True):
    """How the ledger is written."""

    durability: Durability = Durability.STRICT
    window: Annotated[Duration, Meta(description="`bounded`: the most that a crash can lose")] = "10ms"
