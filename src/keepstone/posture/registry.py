"""How a check is declared: one decorated function, whose name is true when all is well.

    @check("KS-GRD-001", of=Kind.GUARDRAIL)
    def prompt_attack_filter_is_high(guardrail: Reading) -> Opinion: ...

`check` judges each resource of a kind; `account_check` judges all at once, where one of its kinds is present.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType

from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.verdict import Opinion

_ID = re.compile(r"KS-[A-Z]{3}-\d{3}")


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its id, its name, the kinds it is about, and how it judges one resource or all."""

    id: str
    name: str
    kinds: tuple[Kind, ...]
    one: Callable[[Reading], Opinion] | None = None
    whole: Callable[[Account], Opinion] | None = None


def check(check_id: str, *, of: Kind) -> Callable[[Callable[[Reading], Opinion]], Check]:
    """Declare a check that judges each resource of a kind."""
    return lambda judge: Check(_valid(check_id), judge.__name__, (of,), one=judge)


def account_check(check_id: str, *, where: Iterable[Kind]) -> Callable[[Callable[[Account], Opinion]], Check]:
    """Declare a check of the whole, which applies where there is a resource of one of the kinds."""
    return lambda judge: Check(_valid(check_id), judge.__name__, tuple(where), whole=judge)


def _valid(check_id: str) -> str:
    if _ID.fullmatch(check_id) is None:
        raise ValueError(f"`{check_id}` is no id of a check: expected such as `KS-GRD-001`")
    return check_id


def gathered(modules: Iterable[ModuleType]) -> Mapping[str, Check]:
    """Return the checks of some modules by id; raise `ValueError` when an id stands twice."""
    index: dict[str, Check] = {}
    for module in modules:
        for each in vars(module).values():
            if isinstance(each, Check):
                if each.id in index:
                    raise ValueError(f"check `{each.id}` is declared twice")
                index[each.id] = each
    return dict(sorted(index.items()))
