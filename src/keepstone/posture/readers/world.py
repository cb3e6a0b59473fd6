"""All resources of a Terraform document, raw, and how one finds the others that belong to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from keepstone.posture import documents
from keepstone.posture.binding import Condition
from keepstone.posture.readers.tree import defaulted, pick, rows
from keepstone.posture.values import Unknown, Value

_NAMES = ("id", "arn", "name", "bucket", "key_id", "alarm_name", "guardrail_arn", "guardrail_id", "agent_id")

_OTHERS = ("source_policy_documents", "override_policy_documents", "source_json", "override_json")


@dataclass(frozen=True, slots=True)
class Raw:
    """One resource or data source as Terraform tells it."""

    type: str
    address: str
    values: Mapping[str, Value]

    def names(self) -> frozenset[str]:
        """Return the ids, ARNs and names that are known of it."""
        found = (self.values.get(name) for name in _NAMES)
        return frozenset(each for each in found if isinstance(each, str) and each)


class World:
    """The resources by type and by address."""

    def __init__(self, raws: Iterable[Raw]) -> None:
        self.raws = tuple(raws)
        self._by_address = {each.address: each for each in self.raws}
        self._by_type: dict[str, list[Raw]] = {}
        for each in self.raws:
            self._by_type.setdefault(each.type, []).append(each)

    def satellites(self, kind: str, link: str, of: Raw) -> Value:
        """Return the resources of type `kind` whose argument `link` names `of`, as a tuple.

        `Unknown` where there is one of which that cannot be told, for it may say anything.
        """
        found = []
        for each in self._by_type.get(kind, ()):
            value = each.values.get(link)
            meant = self._meant(value, of)
            if meant is None:
                return Unknown(f"`{each.address}` may belong to it, known after apply", _sources(value))
            if meant:
                found.append(each)
        return tuple(found)

    def one(self, kind: str, value: Value) -> Raw | None:
        """Return the resource of type `kind` that a value names, if it is here and that can be told."""
        return next((each for each in self._by_type.get(kind, ()) if self._meant(value, each)), None)

    def satellite(self, kind: str, link: str, of: Raw) -> Value:
        """Return the values of the one satellite, `None` if there is none, `Unknown` if that is not known."""
        found = self.satellites(kind, link, of)
        if isinstance(found, Unknown):
            return found
        return found[0].values if found else None

    def policies(self, kind: str, link: str, of: Raw) -> Value:
        """Return the statements of all policies that stand beside a resource; `None` if there is none."""
        found = self.satellites(kind, link, of)
        if isinstance(found, Unknown):
            return found
        if not found:
            return None
        parts = [self.policy(each.values) for each in found]
        unknown = next((each for each in parts if isinstance(each, Unknown)), None)
        return tuple(chain.from_iterable(each or () for each in parts)) if unknown is None else unknown

    def policy(self, tree: Value, path: str = "policy") -> Value:
        """Return the statements of a policy, those of a document that is unknown in part with their gaps."""
        found = pick(tree, path)
        if isinstance(found, Unknown) and len(found.sources) == 1:
            source = self._by_address.get(found.sources[0])
            if source is not None and source.type == "aws_iam_policy_document":
                return _drafted(source.values)
        return documents.parsed(found)

    @staticmethod
    def _meant(value: Value, of: Raw) -> bool | None:
        """Say whether a value names the resource; `None` where that is known after apply only."""
        if isinstance(value, Unknown):
            if of.address not in value.sources:
                return False if value.sources else None
            return True if len(value.sources) == 1 else None
        return value in of.names()


def _sources(value: Value) -> tuple[str, ...]:
    return value.sources if isinstance(value, Unknown) else ()


def _drafted(values: Mapping[str, Value]) -> Value:
    """Return the statements of a document's data source that has yet to be read."""
    others = (values.get(name) for name in _OTHERS)
    if any(isinstance(each, Unknown) or each for each in others):
        return Unknown("the policy document is put together from others, known after apply")
    blocks = rows(values, "statement")
    return blocks if isinstance(blocks, Unknown) else tuple(_statement(each) for each in blocks)


def _statement(block: Value) -> documents.Statement:
    sid = pick(block, "sid")
    conditions = rows(block, "condition")
    return documents.Statement(
        sid=sid if isinstance(sid, str) else "",
        effect=defaulted(block, "effect", default="Allow"),
        actions=rows(block, "actions"),
        not_actions=rows(block, "not_actions"),
        resources=rows(block, "resources"),
        not_resources=rows(block, "not_resources"),
        principals=_pairs(rows(block, "principals")),
        not_principals=_pairs(rows(block, "not_principals")),
        conditions=conditions if isinstance(conditions, Unknown) else tuple(map(_condition, conditions)),
    )


def _condition(block: Value) -> Condition:
    return Condition(pick(block, "test"), pick(block, "variable"), rows(block, "values"))


def _pairs(blocks: Value) -> Value:
    if isinstance(blocks, Unknown):
        return blocks
    found: list[tuple[Value, Value]] = []
    for block in blocks:
        ids = rows(block, "identifiers")
        found += [(pick(block, "type"), each) for each in (ids if isinstance(ids, tuple) else (ids,))]
    return tuple(found)
