"""From files to a valid policy: read, parse, overlay, check, decode, hash.

Every failure is an `InvalidPolicyError` that lists all problems found; a warning never stops a load. The
passes are syntax, shape and credentials together, then, for a document of the right shape, meaning.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TypeVar

import msgspec

from keepstone.policy.credentials import has_known_token, looks_like_credential
from keepstone.policy.merge import merged
from keepstone.policy.problems import (
    Fault,
    InvalidPolicyError,
    Kind,
    Place,
    Problem,
    Severity,
    excerpt_of,
    written,
)
from keepstone.policy.problems import Path as DocumentPath
from keepstone.policy.schema.document import Policy
from keepstone.policy.semantics.checks import faults_of_meaning
from keepstone.policy.shape import faults_of_shape, faults_of_type
from keepstone.policy.tree import MAX_BYTES, Node, Source, Unreadable, decode, parse

_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_T = TypeVar("_T")
PolicyFiles = tuple[tuple[str, bytes], ...]
"""Names and contents of the files that make a policy, the base first."""
_NO_SECRETS = (
    "write `{env: NAME}` or `{file: /path}` where a secret is needed, and revoke this one if it is real"
)


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A valid document: the files it came from, the merged values, their hash, and what was warned of."""

    files: PolicyFiles
    document: Policy
    hash: str
    warnings: tuple[Problem, ...] = ()


def load(path: Path, environment: str = "") -> LoadedPolicy:
    """Return the policy of `path` and its overlay `<stem>.<environment>.yaml`; raise `InvalidPolicyError`."""
    files = [(str(path), _read(path, Kind.POLICY))]
    if environment:
        overlay = overlay_path(path, environment)
        files.append((str(overlay), _read(overlay, Kind.OVERLAY)))
    return load_files(tuple(files))


def load_files(files: PolicyFiles) -> LoadedPolicy:
    """Return the policy of files that have been read, base first; raise `InvalidPolicyError`."""
    document, warnings = load_texts(files)
    return LoadedPolicy(files, document, hash_of(document), warnings)


def overlay_path(path: Path, environment: str) -> Path:
    """Return the overlay's path; raise `InvalidPolicyError` for a name that is no plain word."""
    if not _ENVIRONMENT.fullmatch(environment):
        message = f"environment `{environment[:32]!a}` is not a plain lower-case word"
        raise InvalidPolicyError([Problem(str(path), 1, 1, "", message, "such as `prod`")])
    return path.with_name(f"{path.stem}.{environment}{path.suffix}")


def load_texts(files: Sequence[tuple[str, bytes]]) -> tuple[Policy, tuple[Problem, ...]]:
    """Return the document and its warnings from named file contents, base first; pure."""
    roots, sources, problems = _parsed(files)
    if len(roots) < len(files) or not all(isinstance(each.value, dict) for each in roots):
        raise InvalidPolicyError(problems)
    root = reduce(merged, roots)
    reporter = _Reporter(root, sources)
    _refuse_errors([*problems, *reporter.problems([*faults_of_shape(root), *_leaked_values(root, ())])])
    try:
        document = msgspec.convert(root.plain, Policy)
    except msgspec.ValidationError as error:
        raise InvalidPolicyError(reporter.problems([Fault((), str(error))])) from error
    meant = reporter.problems(faults_of_meaning(document))
    _refuse_errors(meant)
    return document, tuple(meant)


def located(files: PolicyFiles, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """Return faults that were found elsewhere in the valid policy of these files, each with its place."""
    roots, sources, _ = _parsed(files)
    return tuple(_Reporter(reduce(merged, roots), sources).problems(faults))


def _parsed(files: Sequence[tuple[str, bytes]]) -> tuple[list[Node], dict[str, Source], list[Problem]]:
    """Return the tree of each file that can be read, the sources, and what is wrong with their form."""
    roots: list[Node] = []
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for number, (name, raw) in enumerate(files):
        try:
            text, source = decode(name, raw, Kind.OVERLAY if number else Kind.POLICY)
            sources[name] = source
            problems += _leaked_tokens(source)
            root, found = parse(text, source)
            problems += [*found, *_whole_document_is_a_map(root, source)]
            roots.append(root)
        except Unreadable as error:
            problems += error.problems
    return roots, sources, problems


def load_as(
    path: Path, expected: type[_T], kind: Kind, meaning: Callable[[_T], Iterable[Fault]]
) -> tuple[_T, Node]:
    """Return another kind of document, such as a table of cases, and its tree; raise `InvalidPolicyError`.

    `meaning` tells what a document of the right shape still gets wrong.
    """
    try:
        text, source = decode(str(path), _read(path, kind), kind)
        root, problems = parse(text, source)
    except Unreadable as error:
        raise InvalidPolicyError(error.problems, kind) from error
    problems = [*problems, *_whole_document_is_a_map(root, source)]
    _refuse_errors(problems, kind)
    reporter = _Reporter(root, {str(path): source})
    _refuse_errors(reporter.problems(faults_of_type(root, expected)), kind)
    try:
        document = msgspec.convert(root.plain, expected)
    except msgspec.ValidationError as error:
        raise InvalidPolicyError(reporter.problems([Fault((), str(error))]), kind) from error
    _refuse_errors(reporter.problems(meaning(document)), kind)
    return document, root


def hash_of(document: Policy) -> str:
    """Return the SHA-256 of the document as canonical JSON: all defaults, keys in order, no spaces."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def _read(path: Path, kind: Kind) -> bytes:
    """Return a file's bytes, at most one more than is accepted."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        problem = Problem(str(path), 1, 1, "", "the file does not exist", kind.missing)
        raise InvalidPolicyError([problem], kind) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        message = f"the file cannot be read: {(reason or 'bad path').lower()}"
        raise InvalidPolicyError([Problem(str(path), 1, 1, "", message)], kind) from error


def _refuse_errors(problems: list[Problem], kind: Kind = Kind.POLICY) -> None:
    """Raise when there is an error, warnings after the errors."""
    if any(each.severity is Severity.ERROR for each in problems):
        raise InvalidPolicyError(problems, kind)


def _whole_document_is_a_map(root: Node, source: Source) -> Iterator[Problem]:
    if root.value is None:
        yield source.problem(1, 1, "the file is empty", source.kind.empty)
    elif not isinstance(root.value, dict):
        yield source.problem(
            root.place.line, root.place.column, "expected a map at the top", source.kind.start
        )


def _leaked_tokens(source: Source) -> Iterator[Problem]:
    """Look at every line, comments too, for tokens of known shapes."""
    for number, line in enumerate(source.lines, 1):
        if has_known_token(line):
            yield source.problem(number, 1, "this line holds what looks like a credential", _NO_SECRETS)


def _leaked_values(node: Node, path: DocumentPath) -> Iterator[Fault]:
    """Look at every key and value for long random text."""
    match node.value:
        case str() as text if looks_like_credential(text):
            yield Fault(path, "the value looks like a credential", _NO_SECRETS, secret=True)
        case list() as items:
            for index, child in enumerate(items):
                yield from _leaked_values(child, (*path, index))
        case dict() as entries:
            for key, child in entries.items():
                if looks_like_credential(key):
                    yield Fault(
                        (*path, key), "the key looks like a credential", _NO_SECRETS, at_key=True, secret=True
                    )
                yield from _leaked_values(child, (*path, key))
        case _:
            return


class _Reporter:
    """Gives faults their places and excerpts."""

    def __init__(self, root: Node, sources: dict[str, Source]) -> None:
        self._root = root
        self._sources = sources

    def problems(self, faults: Iterable[Fault]) -> list[Problem]:
        """Return errors first, each group in the order of the files."""
        files = list(self._sources)
        found = {self._problem(fault): None for fault in faults}
        return sorted(
            found,
            key=lambda each: (
                each.severity is not Severity.ERROR,
                files.index(each.file),
                each.line,
                each.column,
            ),
        )

    def _problem(self, fault: Fault) -> Problem:
        place = self._place(fault)
        excerpt = excerpt_of(self._sources[place.file].lines, place, secret=fault.secret)
        return Problem(
            place.file,
            place.line,
            place.column,
            written(fault.path),
            fault.message,
            fault.hint,
            fault.severity,
            excerpt,
        )

    def _place(self, fault: Fault) -> Place:
        """Follow the path as far as it exists; defaults stand nowhere, so their parent's place is given."""
        node, place = self._root, self._root.place
        for depth, step in enumerate(fault.path):
            match node.value:
                case dict() as entries if isinstance(step, str) and step in entries:
                    last = depth == len(fault.path) - 1
                    place = node.keys[step] if last and fault.at_key else entries[step].place
                    node = entries[step]
                case list() as items if isinstance(step, int) and step < len(items):
                    node, place = items[step], items[step].place
                case _:
                    break
        return place
