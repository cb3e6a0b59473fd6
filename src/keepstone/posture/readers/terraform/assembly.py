"""The list of Terraform types that are read, and the snapshot made of a document's resources."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from keepstone.posture.readers.terraform import (
    agents,
    alerts,
    bedrock,
    identity,
    logs,
    network,
    run_time,
    storage,
    stores,
)
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Provenance, Resource, Snapshot

Mapper = Callable[[Raw, World], Iterable[Resource]]

_READERS = (agents, alerts, bedrock, identity, logs, network, run_time, storage, stores)
MAPPERS: Mapping[str, Mapper] = {name: mapper for each in _READERS for name, mapper in each.MAPPERS.items()}
SATELLITES = frozenset(chain.from_iterable(each.SATELLITES for each in _READERS))
"""Types that say more about a resource of another type, and are read with it."""


def assembled(world: World, provenance: Provenance) -> Snapshot:
    """Return the snapshot of a document's resources, and name the types of AWS that no reader knows."""
    resources = [
        resource for raw in world.raws if raw.type in MAPPERS for resource in MAPPERS[raw.type](raw, world)
    ]
    read = MAPPERS.keys() | SATELLITES
    unread = {raw.type for raw in world.raws if raw.type not in read and raw.type.startswith("aws")}
    return Snapshot(provenance, tuple(resources), tuple(sorted(unread)))
