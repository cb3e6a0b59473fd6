"""Resources and snapshots as checks see them: what a check reads becomes its evidence."""

from keepstone.posture.kinds import Kind
from keepstone.posture.snapshot import Resource, Snapshot
from keepstone.posture.values import NotKnown, Unknown, Value, known, shown
from keepstone.posture.verdict import Evidence, Opinion, failed, not_evaluated

_MOST = 12


class Reading:
    """One resource under judgement, and the snapshot that it stands in."""

    def __init__(self, resource: Resource, account: "Account") -> None:
        self.resource = resource
        self.account = account

    @property
    def address(self) -> str:
        """Where the resource stands in its source."""
        return self.resource.address

    def __getitem__(self, name: str) -> Value:
        """Return an attribute that is known; raise `NotKnown` for one that is not."""
        try:
            return known(self.raw(name))
        except NotKnown as error:
            raise NotKnown(f"`{name}`: {error}") from None

    def raw(self, name: str) -> Value:
        """Return an attribute, known or not, and note it as evidence."""
        value = self.resource.value(name)
        self.account.note(self.resource, name, value)
        return value

    def is_set(self, name: str) -> bool:
        """Say whether an attribute has a value, which may come from a resource of the same source."""
        value = self.raw(name)
        if isinstance(value, Unknown) and value.sources:
            return True
        return bool(self[name])

    def policies(self) -> "tuple[Reading, ...]":
        """Return the access policies that a role has, as far as the snapshot tells them."""
        found = (self.account.snapshot.at(known(each)) for each in self["policies"])
        return tuple(Reading(each, self.account) for each in found if each is not None)

    def one(self, kind: Kind, name: str) -> "Reading | None":
        """Return the resource of `kind` that an attribute names, if it is in the snapshot.

        Raises `NotKnown` where several may be meant or the value could be anything.
        """
        found = self.account.snapshot.candidates(kind, self.raw(name))
        if len(found) > 1:
            raise NotKnown(f"`{name}` is one of {len(found)} resources, which one is known after apply")
        return Reading(found[0], self.account) if found else None


class Account:
    """A whole snapshot under judgement; it keeps the evidence of one judgement."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._seen: dict[str, str] = {}

    def all(self, kind: Kind) -> tuple[Reading, ...]:
        """Return every resource of a kind."""
        return tuple(Reading(each, self) for each in self.snapshot.of(kind))

    def note(self, resource: Resource, name: str, value: Value) -> None:
        """Keep a value that was read as evidence."""
        path = f"{resource.address}: {name}"
        if path not in self._seen and len(self._seen) < _MOST:
            self._seen[path] = shown(value)

    def evidence(self) -> tuple[Evidence, ...]:
        """Return what was read so far, the first twelve values of it."""
        return tuple(Evidence(path, seen) for path, seen in self._seen.items())

    def lacks(self, reason: str) -> Opinion:
        """FAIL for what a whole account lacks; a plan or state says nothing of what it does not manage."""
        if self.snapshot.provenance.whole:
            return failed(reason)
        return not_evaluated(f"{reason} in this {self.snapshot.provenance.source}; the account may have one")
