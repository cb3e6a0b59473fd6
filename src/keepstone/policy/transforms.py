"""Which changes apply to a call, compiled from the document's `transforms`."""

from dataclasses import dataclass

from keepstone.core.exchange import Operation
from keepstone.policy.model_ids import Glob, names_of
from keepstone.policy.schema.transforms import (
    AddSystem,
    AppendText,
    DropReasoning,
    RequestChange,
    ResponseChange,
    Transform,
)

CONVERSE = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})


@dataclass(frozen=True, slots=True)
class TransformRule:
    """One entry of `transforms`, ready to be compared."""

    name: str
    roles: frozenset[str]
    models: tuple[Glob, ...]
    operations: frozenset[str]
    request: tuple[RequestChange, ...]
    response: tuple[ResponseChange, ...]
    path: str

    def applies(self, roles: tuple[str, ...], model_id: str, operation: Operation) -> bool:
        """Say whether the rule is about this call."""
        if "*" not in self.roles and self.roles.isdisjoint(roles):
            return False
        if "*" not in self.operations and operation not in self.operations:
            return False
        names = names_of(model_id)
        return any(glob.matches_any(names) for glob in self.models)

    @property
    def needs_converse(self) -> bool:
        """Say whether one of its changes is known for Converse only."""
        return any(map(knows_converse_only, (*self.request, *self.response)))


def knows_converse_only(change: RequestChange | ResponseChange) -> bool:
    """Say whether a change can be made to the bodies of Converse only."""
    return isinstance(change, AddSystem | DropReasoning | AppendText)


def compile_transforms(transforms: tuple[Transform, ...]) -> tuple[TransformRule, ...]:
    """Return the rules in the document's order."""
    return tuple(
        TransformRule(
            name=each.name,
            roles=frozenset(each.roles),
            models=tuple(Glob(glob) for glob in each.models),
            operations=frozenset(each.operations),
            request=each.request,
            response=each.response,
            path=f"transforms[{number}]",
        )
        for number, each in enumerate(transforms)
    )
