"""Verifying a log from its records up, trusting nothing in the folder but the given key.

Recomputed are: every record against its hash tile, every tile against the ones below, the checkpoint against
all of them, every batch of the write-ahead log against the root and signature written with it, and, with
`since`, that a checkpoint seen earlier is still the beginning of this log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from keepstone.core.errors import LedgerError
from keepstone.ledger import note, wal
from keepstone.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash
from keepstone.ledger.prune import read_pruned
from keepstone.ledger.store import CHECKPOINT, PRUNED, Snapshot, TileStore, is_live, snapshot
from keepstone.ledger.verdict import Problem, Verdict, Verification
from keepstone.ledger.walk import Progress, Walk, leftovers

_T = TypeVar("_T")
_KEPT = "the earlier checkpoint"


@dataclass(frozen=True, slots=True)
class Begin:
    """What a log was once said to hold, and where; of several in one `group` the first that fails is told."""

    size: int
    root: bytes
    where: str = _KEPT
    group: str = ""


def verify(
    directory: Path,
    verifier: str | note.Verifier | None,
    *,
    since: str | None = None,
    begins: Sequence[Begin] = (),
    progress: Progress = lambda _done, _total: None,
) -> Verification:
    """Recompute the whole log in `directory`; `since` is a signed checkpoint note that was kept elsewhere.

    Without a `verifier` (a vkey) hashes are checked and signatures are not, so the verdict is at best
    NOT_EVALUATED. The log must also begin with each of `begins`. Raise `LedgerError` only when
    there is nothing to verify or the key is malformed.
    """
    if not directory.is_dir():
        raise LedgerError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")
    key = note.Verifier.parse(verifier) if isinstance(verifier, str) and verifier else verifier or None
    audit = _Audit(directory, key, snapshot(directory), is_live(directory))
    return audit.run(since, begins, progress)


class _Audit:
    """One verification in progress."""

    def __init__(self, directory: Path, key: note.Verifier | None, state: Snapshot, live: bool) -> None:
        self.directory = directory
        self.key = key
        self.state = state
        self.live = live
        self.tiles = TileStore(directory)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.unknown: list[str] = []
        self.signatures = 0
        self.pruned = 0
        self.size, self.root = 0, EMPTY_ROOT

    def run(self, since: str | None, begins: Sequence[Begin], progress: Progress) -> Verification:
        """Do all of it and conclude."""
        checkpoint = self._checkpoint()
        checked = 0
        if checkpoint is not None:
            self.size, self.root = checkpoint.size, checkpoint.root
            earlier = list(begins)
            kept = self._attempt(lambda: self._earlier(since), 0) if since else None
            earlier += [Begin(kept.size, kept.root)] if kept is not None else []
            self.pruned = min(self._attempt(self._pruned, 0) or 0, checkpoint.size)
            replay = self._attempt(self._replay, checkpoint.size)
            wanted = {checkpoint.size}
            wanted |= {replay.start} if replay is not None else set()
            wanted |= {each.size for each in earlier}
            walk = Walk(self.tiles, checkpoint.size, self.pruned, frozenset(wanted))
            walk.run(checkpoint.root, progress)
            self.problems += walk.problems
            checked = walk.checked
            if replay is not None:
                checked += self._batches(replay, checkpoint, walk.edges, earlier)
            self._compare_all(earlier, walk.edges)
            self._leftovers(checkpoint.size, complete=replay is not None)
        return self._conclude(checked)

    def _attempt(self, read: Callable[[], _T], start: int) -> _T | None:
        """Return what `read` returns; what it refuses is a problem from record `start` on."""
        try:
            return read()
        except LedgerError as error:
            self.problems.append(Problem(error.message, start, None))
            return None

    def _checkpoint(self) -> note.Checkpoint | None:
        if self.state.checkpoint is None:
            self.problems.append(Problem(f"`{CHECKPOINT}` is missing", 0, None))
            return None
        return self._attempt(lambda: self._open(self.state.checkpoint or "", f"`{CHECKPOINT}`"), 0)

    def _open(self, signed: str, where: str) -> note.Checkpoint:
        """Read a signed checkpoint, and verify it when there is a key."""
        try:
            if self.key is None:
                return note.parse_checkpoint(note.split(signed)[0])
            checkpoint = note.open_checkpoint(signed, self.key)
        except LedgerError as error:
            raise LedgerError(f"{where}: {error.message}", hint=error.hint) from error
        self.signatures += 1
        return checkpoint

    def _earlier(self, since: str | None) -> note.Checkpoint:
        return self._open(since or "", "the earlier checkpoint")

    def _pruned(self) -> int:
        signed = self.tiles.read(PRUNED)
        return 0 if signed is None else read_pruned(signed.decode("utf-8", "replace"), self.key).before

    def _replay(self) -> wal.Replay | None:
        if self.state.segments is None:
            self.unknown.append(
                "there is no `wal` folder, so records after the checkpoint could not be checked"
            )
            return None
        replay = wal.replay(self.state.segments)
        if replay.torn is not None and not self.live:
            self.notes.append(
                f"`{len(replay.torn.lost)}` bytes at the end of `wal/{replay.torn.segment}` were never "
                "acknowledged; the next start sets them aside"
            )
        return replay

    def _batches(
        self,
        replay: wal.Replay,
        checkpoint: note.Checkpoint,
        edges: dict[int, Frontier],
        earlier: Sequence[Begin],
    ) -> int:
        """Check each batch's root and signature; return how many records lie beyond the checkpoint."""
        if replay.origin != checkpoint.origin or not replay.start <= checkpoint.size <= replay.size:
            what = (
                f"the write-ahead log holds `{replay.start}` to `{replay.size}` of `{replay.origin}`: it does"
            )
            self.problems.append(Problem(f"{what} not fit the checkpoint", checkpoint.size, None))
            return 0
        if replay.start not in edges:
            self.unknown.append(
                "the write-ahead log could not be checked, for the tiles before it are not whole"
            )
            return 0
        frontier, wanted = edges[replay.start].copy(), {each.size for each in earlier}
        for batch in replay.batches:
            for record in batch.records:
                frontier.add(leaf_hash(record))
                if frontier.size in wanted:
                    edges[frontier.size] = frontier.copy()
            self._batch(batch, frontier, checkpoint)
        self.size, self.root = frontier.size, frontier.root()
        return self.size - checkpoint.size

    def _batch(self, batch: wal.Batch, frontier: Frontier, checkpoint: note.Checkpoint) -> None:
        root = frontier.root()
        if root != batch.root or (batch.size == checkpoint.size and root != checkpoint.root):
            what = "records in the write-ahead log do not have the root that was signed with them"
            self.problems.append(Problem(what, batch.first, batch.size))
        elif self.key is not None:
            text = note.Checkpoint(checkpoint.origin, batch.size, batch.root).text()
            if self.key.verifies(text, batch.signature):
                self.signatures += 1
            else:
                self.problems.append(Problem("a commit's signature does not verify", batch.first, batch.size))

    def _compare_all(self, earlier: Sequence[Begin], edges: dict[int, Frontier]) -> None:
        """The log must begin with exactly the records that each of these covers."""
        groups: dict[str, list[Begin]] = {}
        for each in sorted(earlier, key=lambda each: each.size):
            groups.setdefault(each.group, []).append(each)
        for group in groups.values():
            longest = group[-1]
            if longest.size > self.size:
                what = f"the log is shorter than {longest.where}: its newest records were taken away"
                self.problems.append(Problem(what, self.size, longest.size))
            self._compare_group([each for each in group if each.size <= self.size], edges)

    def _compare_group(self, group: Sequence[Begin], edges: dict[int, Frontier]) -> None:
        """Tell the first that differs: what lies between it and the one before was rewritten."""
        agreed = 0
        for each in group:
            if each.size not in edges:
                self.unknown.append(f"{each.where} could not be compared, for the log is not whole")
                return
            if edges[each.size].root() != each.root:
                what = f"the log does not begin with the records of {each.where}: it was rewritten"
                self.problems.append(Problem(what, agreed, each.size))
                return
            agreed = each.size

    def _leftovers(self, published: int, *, complete: bool) -> None:
        if self.live:
            self.notes.append("a gateway is writing: files that it has not published yet were not looked at")
            return
        found = [
            path.relative_to(self.directory).as_posix()
            for path in sorted((self.directory / "tile").rglob("*"))
            if path.is_file()
        ]
        if complete or self.state.segments is None:
            problems, notes = leftovers(self.tiles, found, published, self.size)
            self.problems += problems
            self.notes += notes

    def _conclude(self, checked: int) -> Verification:
        if self.pruned:
            self.notes.append(f"`{self.pruned}` records were pruned; their hashes are still in the log")
        if self.key is None:
            self.unknown.append("signatures were not checked, for no verifier key was given")
        if self.problems:
            verdict, reason = Verdict.FAIL, self.problems[0].what
        elif self.unknown:
            verdict, reason = Verdict.NOT_EVALUATED, self.unknown[0]
        else:
            verdict, reason = Verdict.PASS, "every record, tile, root and signature agrees"
        return Verification(
            verdict=verdict,
            reason=reason,
            size=self.size,
            root=self.root,
            checked=checked,
            pruned=self.pruned,
            signatures=self.signatures,
            problems=tuple(self.problems),
            notes=tuple(self.notes + self.unknown),
        )
