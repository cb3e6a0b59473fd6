"""All resources of a Terraform document, raw, and how one finds the others that belong to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from keepstone.posture import documents
from keepstone.posture.binding import Condition
from keepstone.posture.readers.tree import defaulted, given, pick, rows
from keepstone.posture.values import Unknown, Value

_NAMES = ("id", "arn", "name", "bucket", "key_id", "alarm_name", "guardrail_arn", "guardrail_id", "agent_id")

_OTHERS = ("source_policy_documents", "override_policy_documents", "source_json", "override_json")


@dataclass(frozen=True, slots=True)
class Raw:
    """One resource or data source as Terraform tells it.

    `written` are the arguments that its code gives; `None` where the document does not tell, as a state.
    """

    type: str
    address: str
    values: Mapping[str, Value]
    written: frozenset[str] | None = None

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
        self._by_name: dict[tuple[str, str], list[Raw]] = {}
        self._links: dict[tuple[str, str], Links] = {}
        for each in self.raws:
            self._by_type.setdefault(each.type, []).append(each)
            for name in each.names():
                self._by_name.setdefault((each.type, name), []).append(each)

    def satellites(self, kind: str, link: str, of: Raw) -> Value:
        """Return the resources of type `kind` whose argument `link` names `of`, as a tuple.

        `Unknown` where there is one of which that cannot be told, for it may say anything.
        """
        if (kind, link) not in self._links:
            self._links[kind, link] = Links(self._by_type.get(kind, ()), link)
        found, doubt = self._links[kind, link].to(of)
        if doubt is not None:
            sources = _sources(doubt.values.get(link))
            return Unknown(f"`{doubt.address}` may belong to it, known after apply", sources)
        return found

    def named(self, kind: str, name: Value) -> Sequence[Raw]:
        """Return the resources of type `kind` that go by a name that is known."""
        return self._by_name.get((kind, name), ()) if isinstance(name, str) else ()

    def one(self, kind: str, value: Value) -> Raw | None:
        """Return the resource of type `kind` that a value names, if it is here and that can be told."""
        if not isinstance(value, Unknown):
            return next(iter(self.named(kind, value)), None)
        found = self._by_address.get(value.sources[0]) if len(value.sources) == 1 else None
        return found if found is not None and found.type == kind else None

    def satellite(self, kind: str, link: str, of: Raw) -> Value:
        """Return the values of the one satellite, `None` if there is none, `Unknown` if that is not known."""
        found = self.satellites(kind, link, of)
        if isinstance(found, Unknown):
            return found
        return found[0].values if found else None

    def documents(self, kind: str, link: str, of: Raw, *, reread: bool = False) -> tuple[Value, ...]:
        """Return every policy document that is given for a resource, its own and those beside it.

        Each is statements or `Unknown`. AWS keeps one of them, the one that was written last; which that will
        be, nobody can say. A resource's own policy that its code does not give is what AWS had when Terraform
        last looked. It counts only alone; with `reread`, where it should be what stands beside, it is in
        doubt if it is not.
        """
        beside = self.satellites(kind, link, of)
        if isinstance(beside, Unknown):
            found: list[Value] = [beside]
        else:
            found = [self.policy(each.values) for each in beside if each.values.get("policy") is not None]
        own = given(of.values, "policy")
        if isinstance(own, Unknown) or own:
            if not found or "policy" in (of.written or ()):
                found.append(self.policy({"policy": own}))
            elif reread and of.written is None and _differ(own, beside):
                found.append(Unknown("`policy` is not what stands beside it: refresh the state"))
        return tuple(found)

    def policy(self, tree: Value, path: str = "policy") -> Value:
        """Return the statements of a policy, those of a document that is unknown in part with their gaps."""
        found = pick(tree, path)
        if isinstance(found, Unknown) and len(found.sources) == 1:
            source = self._by_address.get(found.sources[0])
            if source is not None and source.type == "aws_iam_policy_document":
                return _drafted(source.values)
        return documents.parsed(found)

    def account(self) -> Value:
        """Return the account that all of this is in, where the document tells of one and no other."""
        found = {each.values.get("account_id") for each in self._by_type.get("aws_caller_identity", ())}
        told = next(iter(found)) if len(found) == 1 else None
        return told if isinstance(told, str) else Unknown("whose account this is, is known after apply")


class Links:
    """The resources of one type by what one of their arguments names."""

    def __init__(self, raws: Iterable[Raw], link: str) -> None:
        self._named: dict[str, list[tuple[int, Raw]]] = {}
        self._sourced: dict[str, list[tuple[int, Raw]]] = {}
        self._perhaps: dict[str, list[tuple[int, Raw]]] = {}
        self._anything: tuple[int, Raw] | None = None
        for place, raw in enumerate(raws):
            value = raw.values.get(link)
            if isinstance(value, str):
                self._named.setdefault(value, []).append((place, raw))
            elif isinstance(value, Unknown):
                self._note(value.sources, (place, raw))

    def _note(self, sources: tuple[str, ...], found: tuple[int, Raw]) -> None:
        if not sources:
            self._anything = self._anything or found
        into = self._sourced if len(sources) == 1 else self._perhaps
        for address in sources:
            into.setdefault(address, []).append(found)

    def to(self, of: Raw) -> tuple[tuple[Raw, ...], Raw | None]:
        """Return those that belong to a resource, and the first that may do so."""
        doubts = [*self._perhaps.get(of.address, ()), *filter(None, [self._anything])]
        if doubts:
            return (), min(doubts, key=_place)[1]
        found = [each for name in of.names() for each in self._named.get(name, ())]
        found += self._sourced.get(of.address, ())
        return tuple(raw for _, raw in sorted(found, key=_place)), None


def _place(found: tuple[int, Raw]) -> int:
    return found[0]


def together(found: tuple[Value, ...]) -> Value:
    """Return the statements of several documents as one; `None` where there is none."""
    if len(found) < 2:
        return found[0] if found else None
    return tuple(chain.from_iterable((each,) if isinstance(each, Unknown) else each for each in found))


def _differ(own: Value, beside: Value) -> bool:
    """Say whether a policy is another one than what stands beside it, as far as both are known."""
    others = () if isinstance(beside, Unknown) else [each.values.get("policy") for each in beside]
    texts = [each for each in others if isinstance(each, str)]
    return isinstance(own, str) and not all(documents.same(own, each) for each in texts)


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
