"""What AWS has said about inference profiles: asked in the background, kept in a file, believed for a while.

A call never waits for it. A profile that nobody has asked about is asked for now, and its calls are told to
try again; one whose answer is too old counts as unknown, and so does one that AWS does not tell us about.
Only the policy's named setting lets the table that comes with Keepstone stand in.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from keepstone.catalog.places import profiles as shipped_profiles
from keepstone.core.errors import UpstreamError
from keepstone.policy.residency.addresses import shipped
from keepstone.policy.residency.routing import Reach

Read = Callable[[str, str], tuple[str, ...]]
"""Ask AWS where a profile computes: upstream and profile to regions; waits, raises `UpstreamError`."""

MAX_PROFILES = 1024
AGAIN_NS = 30_000_000_000
"""How long AWS is left alone about a profile that it has not told us about."""
LOG = logging.getLogger("keepstone.residency")


class Answer(Struct, frozen=True):
    """What AWS said about one profile called at one upstream, and when; `failure` where it said nothing.

    `asked` is how the upstream's control plane was reached: an upstream that has moved loses its answers.
    """

    upstream: str
    asked: str
    profile: str
    read_at_ns: int
    regions: tuple[str, ...] = ()
    failure: str = ""


class _Snapshot(Struct, frozen=True):
    answers: tuple[Answer, ...]


class ProfileDestinations:
    """The answers in force; `refresh` asks for what is missing or half as old as it may be.

    `planes` says of each upstream how its control plane is reached.
    """

    def __init__(
        self, file: Path, read: Read, planes: Mapping[str, str], *, max_age_ns: int, shipped_table: bool
    ) -> None:
        self.version = 0
        self._file = file
        self._read = read
        self._planes = planes
        self._max_age_ns = max_age_ns
        self._shipped_table = shipped_table
        self._answers = {
            (each.upstream, each.profile): each
            for each in load_snapshot(file)
            if planes.get(each.upstream) == each.asked
        }
        self._wanted: dict[tuple[str, str], None] = {}

    def reach(self, upstream: str, profile: str, now_ns: int) -> Reach:
        """Return where the profile computes, as far as is known."""
        key = upstream, profile
        answer = self._answers.get(key)
        if answer is not None and not answer.failure and now_ns < answer.read_at_ns + self._max_age_ns:
            source = f"GetInferenceProfile, {_day(answer.read_at_ns)}"
            return Reach(answer.regions, source, answer.read_at_ns + self._max_age_ns)
        self.want(upstream, profile)
        regions = shipped(profile) if self._shipped_table else ()
        if regions:
            source = f"shipped table of {shipped_profiles().looked_at}"
            return Reach(regions, source, now_ns + AGAIN_NS, assumed=True)
        if answer is not None and answer.failure:
            because = f"AWS did not say where profile `{profile[:200]}` computes: {answer.failure}"
            return Reach(unknown=because, until_ns=now_ns + 1)
        because = f"where profile `{profile[:200]}` computes is being asked for"
        return Reach(unknown=because, pending=True, until_ns=now_ns + 1)

    def want(self, upstream: str, profile: str) -> None:
        """Have a profile asked for soon; bounded, so that no caller can make it grow."""
        if len(self._wanted) < MAX_PROFILES:
            self._wanted[upstream, profile] = None

    def due(self, now_ns: int) -> list[tuple[str, str]]:
        """Return what is to be asked now: what calls want, and what is half as old as it may be."""
        wanted, self._wanted = self._wanted, {}
        old = now_ns - self._max_age_ns // 2
        wanted |= {
            key: None for key, each in self._answers.items() if not each.failure and each.read_at_ns < old
        }
        return [key for key in wanted if self._may_ask(key, now_ns)]

    def _may_ask(self, key: tuple[str, str], now_ns: int) -> bool:
        answer = self._answers.get(key)
        return answer is None or not answer.failure or answer.read_at_ns + AGAIN_NS <= now_ns

    def keep(self, answer: Answer) -> None:
        """Take an answer; a failure does not displace one that still holds."""
        key = answer.upstream, answer.profile
        known = self._answers.get(key)
        holds = known is not None and not known.failure
        if answer.failure and known and holds and answer.read_at_ns < known.read_at_ns + self._max_age_ns:
            return
        if key not in self._answers and len(self._answers) >= MAX_PROFILES:
            self._answers.pop(next(iter(self._answers)))
        self._answers[key] = answer
        self.version += 1

    async def refresh(self, now_ns: int) -> int:
        """Ask for all that is due, in a thread, and return how many answers came."""
        due = self.due(now_ns)
        if not due:
            return 0
        for answer in await asyncio.to_thread(self._ask, due, now_ns):
            self.keep(answer)
        try:
            await asyncio.to_thread(save_snapshot, self._file, tuple(self._answers.values()))
        except OSError as error:
            LOG.warning("the answers about inference profiles cannot be kept: %s", error.strerror)
        return len(due)

    def _ask(self, due: list[tuple[str, str]], now_ns: int) -> list[Answer]:
        return [self._answer(upstream, profile, now_ns) for upstream, profile in due]

    def _answer(self, upstream: str, profile: str, now_ns: int) -> Answer:
        asked = self._planes[upstream]
        try:
            return Answer(upstream, asked, profile, now_ns, self._read(upstream, profile))
        except UpstreamError as error:
            LOG.warning("upstream `%s` was asked about a profile: %s", upstream, error.message)
            return Answer(upstream, asked, profile, now_ns, failure=error.message)


def load_snapshot(file: Path) -> tuple[Answer, ...]:
    """Return the answers of a snapshot file, none when it is missing or not one."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Snapshot).answers
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError):
        LOG.warning("`%s` holds no answers about inference profiles; they are asked for anew", file)
        return ()


def save_snapshot(file: Path, answers: tuple[Answer, ...]) -> None:
    """Write the answers so that a reader sees the old file or the new one."""
    raw = msgspec.json.format(msgspec.json.encode(_Snapshot(answers)), indent=1)
    fresh = file.with_suffix(f".{os.getpid()}.new")  # other processes may share the folder
    fresh.write_bytes(raw)
    os.replace(fresh, file)


def _day(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).date().isoformat()
