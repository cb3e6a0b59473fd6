"""What `keepstone deploy` puts on record: that something begins, and how it ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keepstone.cli.output import talk

if TYPE_CHECKING:
    from keepstone.deploy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Events:
    """What the record calls the beginning and the ends of something."""

    begun: str
    done: str
    failed: str


_WHOSE = frozenset({"plan", "environment", "by", "account", "planned_as"})
"""What stands at the end as at the beginning."""
APPLY = Events("deploy.apply_begun", "deploy.applied", "deploy.apply_failed")
DESTROY = Events("deploy.destroy_begun", "deploy.destroyed", "deploy.destroy_failed")


@contextmanager
def on_record(events: Events, workspace: "Workspace", detail: dict[str, str]) -> Iterator[None]:
    """Put on record that something begins, and how it ended; what cannot be recorded does not begin."""
    from keepstone.core.errors import KeepstoneError

    policy = {"policy": workspace.require()["policy"]}
    _record(events.begun, policy | detail)
    by = policy | {name: value for name, value in detail.items() if name in _WHOSE}
    try:
        yield
    except BaseException as error:
        # The error's code only: its words may name people.
        why = error.code if isinstance(error, KeepstoneError) else type(error).__name__
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else why
        try:
            _record(events.failed, by | {"error": why})
        except KeepstoneError as other:
            talk(f"that it failed is not on record: {other.message}")
        talk("what was begun is in the state: `keepstone deploy plan` says what is left to do")
        raise
    _record(events.done, by)


def _record(event: str, detail: dict[str, str]) -> None:
    from keepstone.cli.on_record import made_key, put_on_record
    from keepstone.core.settings import from_environment
    from keepstone.ledger.notices import Notice

    settings, key = made_key(from_environment().home)
    put_on_record(settings, key, Notice(event, {name: value for name, value in detail.items() if value}))
