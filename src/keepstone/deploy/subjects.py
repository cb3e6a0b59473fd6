"""What a changed resource is part of, and whose concern its type is."""

import re
from collections.abc import Mapping

from keepstone.catalog.resource_owners import owner_of
from keepstone.posture.readers.document import Document
from keepstone.posture.readers.plan import read_raws
from keepstone.posture.readers.state import state_raws
from keepstone.posture.readers.world import Raw, World

_TYPE = re.compile(r"(?:module\.[^.]+\.)*(?P<type>[a-z0-9_]+)\.")


class Subjects:
    """The resources of a plan, and of the state that it found."""

    def __init__(self, plan: Document, before: Document) -> None:
        found = (World(read_raws(plan.content)), World(state_raws(before.content["values"]["root_module"])))
        self._worlds: tuple[tuple[World, Mapping[str, Raw]], ...] = tuple(
            (world, {each.address: each for each in world.raws}) for world in found
        )

    def whole(self, address: str) -> str:
        """Return the address of what a resource says more about; else its own."""
        for world, raws in self._worlds:
            if address in raws:
                owner = owner_of(raws[address].type)
                found = world.one(owner.of, raws[address].values.get(owner.by)) if owner.of else None
                if found is not None:
                    return found.address
        return address

    @staticmethod
    def owner(address: str) -> str:
        """Return who should care of a resource by its type alone."""
        split = _TYPE.match(address)
        return owner_of(split["type"] if split else "").who.value
