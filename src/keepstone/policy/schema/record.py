"""What is written down, when an answer may leave, and how long things are kept."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration


class Content(StrEnum):
    """Whether texts of calls are kept: never, or encrypted under a key for each subject."""

    NONE = "none"
    ENCRYPTED = "encrypted"


class Subject(Closed, frozen=True, kw_only=True):
    """Whose the content of a call is: who may ask for its erasure."""

    source: Annotated[
        Literal["principal", "tenant", "header", "metadata"],
        Meta(description="the caller, its tenant, a request header, or a key of `requestMetadata`"),
    ] = "principal"
    name: Annotated[str, Meta(max_length=256, description="the header's or the key's name")] = ""
    missing: Annotated[
        Literal["refuse", "principal"],
        Meta(description="a call without it: refuse it, or take the caller for the subject"),
    ] = "refuse"


class Retention(Closed, frozen=True, kw_only=True):
    """How long things are kept."""

    ledger_days: Annotated[int, Meta(ge=1, le=36500, description="entries older than this are pruned")] = 400
    content: Annotated[
        Content,
        Meta(
            description="`none`: only keyed hashes of prompts and answers; `encrypted`: they are kept, sealed"
        ),
    ] = Content.NONE
    content_days: Annotated[int, Meta(ge=1, le=36500, description="how long encrypted content is kept")] = 30
    content_failure: Annotated[
        Literal["refuse", "proceed"],
        Meta(
            description="content that cannot be kept: refuse the call, or let it go on and say so on record"
        ),
    ] = "refuse"
    subject: Subject = Subject()


class Durability(StrEnum):
    """When an answer may leave: after its record is on disk, or at most a window earlier."""

    STRICT = "strict"
    BOUNDED = "bounded"


class Record(Closed, frozen=True, kw_only=True):
    """How the ledger is written."""

    durability: Durability = Durability.STRICT
    window: Annotated[Duration, Meta(description="`bounded`: the most that a crash can lose")] = "10ms"
