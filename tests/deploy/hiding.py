"""Raw resources with one part hidden: whatever Terraform may not know at plan time."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from keepstone.posture.readers.tree import AFTER_APPLY
from keepstone.posture.readers.world import Raw
from keepstone.posture.values import Value


def hidden(value: Value) -> Iterator[Value]:
    """Yield a value with each of its parts unknown, one at a time."""
    yield AFTER_APPLY
    match value:
        case Mapping():
            for name, each in value.items():
                yield from (MappingProxyType({**value, name: part}) for part in hidden(each))
        case tuple():
            for n, each in enumerate(value):
                yield from ((*value[:n], part, *value[n + 1 :]) for part in hidden(each))


def worlds(raws: list[Raw]) -> Iterator[list[Raw]]:
    """Yield all resources, with one part of one of them hidden."""
    for n, raw in enumerate(raws):
        for name, value in raw.values.items():
            for part in hidden(value):
                values = MappingProxyType({**raw.values, name: part})
                yield [*raws[:n], Raw(raw.type, raw.address, values), *raws[n + 1 :]]
