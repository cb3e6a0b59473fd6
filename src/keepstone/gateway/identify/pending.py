"""What may be missing to know a caller, so that the application can wait for it and ask again."""

from typing import Protocol

from msgspec import Struct

from keepstone.core.decision import Decision


class Refetchable(Protocol):
    """Keys that may have changed since they were fetched."""

    async def refetch(self) -> None:
        """Wait for newer ones, if it is time to ask."""
        ...


class Pending(Struct, frozen=True):
    """Newer keys of `source` are missing, or the body where there is no source; else `refusal` stands."""

    refusal: Decision
    source: Refetchable | None = None
