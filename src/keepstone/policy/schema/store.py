"""What holds while the shared database does not answer."""

from typing import Annotated

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration


class Store(Closed, frozen=True, kw_only=True):
    """How the gateway lives with a database across a network; the embedded one is not concerned."""

    stale_for: Annotated[
        Duration,
        Meta(
            description="known keys go on to work so long while the database does not answer, also one "
            "that is revoked meanwhile; then calls are refused; at most `1h`"
        ),
    ] = "1s"
