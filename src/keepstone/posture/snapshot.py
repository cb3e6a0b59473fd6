"""A snapshot: what there is, or will be, as one source told it at one time. Frozen; it judges nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from keepstone.posture.kinds import ATTRIBUTES, Kind
from keepstone.posture.values import NotKnown, Unknown, Value

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where facts come from: what kind of source, which file, when and by what it was read, its SHA-256.

    `whole` says whether what is absent from the snapshot is absent from the account.
    """

    source: str
    name: str
    read_at: str
    read_by: str
    made_by: str
    digest: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: what it is, where it stands in its source, its attributes, the names it goes by."""

    kind: Kind
    address: str
    attributes: Mapping[str, Value]
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Freeze the attributes; raise `ValueError` for one that `kinds.py` does not list."""
        strange = self.attributes.keys() - ATTRIBUTES[self.kind]
        if strange:
            raise ValueError(f"a {self.kind.value} has no attribute `{min(strange)}`")
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def value(self, name: str) -> Value:
        """Return an attribute; `Unknown` where the reader did not tell it."""
        if name not in ATTRIBUTES[self.kind]:
            raise ValueError(f"a {self.kind.value} has no attribute `{name}`")
        return self.attributes.get(name, _UNTOLD)


_UNTOLD = Unknown("this source does not tell it")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All resources of a source, by address; `unread` are the types in it that no reader knows."""

    provenance: Provenance
    resources: tuple[Resource, ...]
    unread: tuple[str, ...] = ()
    _done: dict[Callable[["Snapshot"], Any], Any] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _by_address: Mapping[str, Resource] = field(init=False, repr=False, compare=False)
    _by_kind: Mapping[Kind, tuple[Resource, ...]] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[tuple[Kind, str], tuple[Resource, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index by address, by kind and by name."""
        kinds: dict[Kind, list[Resource]] = {}
        names: dict[tuple[Kind, str], list[Resource]] = {}
        for each in self.resources:
            kinds.setdefault(each.kind, []).append(each)
            for name in each.names:
                names.setdefault((each.kind, name), []).append(each)
        object.__setattr__(self, "_by_address", {each.address: each for each in self.resources})
        object.__setattr__(self, "_by_kind", {kind: tuple(found) for kind, found in kinds.items()})
        object.__setattr__(self, "_by_name", {name: tuple(found) for name, found in names.items()})

    def of(self, kind: Kind) -> tuple[Resource, ...]:
        """Return the resources of a kind, in the order of the source."""
        return self._by_kind.get(kind, ())

    def at(self, address: str) -> Resource | None:
        """Return the resource at an address."""
        return self._by_address.get(address)

    def once(self, work: Callable[["Snapshot"], _Made]) -> _Made:
        """Return what a function makes of the whole; it is called once, however many resources ask."""
        if work not in self._done:
            self._done[work] = work(self)
        found: _Made = self._done[work]
        return found

    def candidates(self, kind: Kind, value: Value) -> tuple[Resource, ...]:
        """Return the resources of `kind` that `value` may name; exactly one of them, if any, is meant.

        Raises `NotKnown` where the value could be anything.
        """
        if isinstance(value, Unknown):
            found = tuple(self._at_all(value.sources))
            if not found or any(each.kind is not kind for each in found):
                raise NotKnown(value.reason)
            return found
        return self._by_name.get((kind, value), ()) if isinstance(value, str) else ()

    def _at_all(self, addresses: Iterable[str]) -> Iterator[Resource]:
        for address in addresses:
            found = self.at(address)
            if found is None:
                raise NotKnown(f"it comes from `{address}`, of which nothing is known")
            yield found
