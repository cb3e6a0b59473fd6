"""Personas: what each kind of person or program may do at most, whatever its roles say.

A role names its persona; `policy check` refuses a rule that allows more than the persona does. The same table
says which administrative acts of Keepstone itself the holders may do, and permissions elsewhere, such as IAM
policies, are to be made from it. A role without a persona may do no administrative act.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keepstone.core.exchange import Operation
from keepstone.policy.schema.identities import Persona, Role


class Administration(StrEnum):
    """Acts on Keepstone itself, apart from model calls."""

    POLICY_READ = "policy.read"
    POLICY_CHANGE = "policy.change"
    LEDGER_READ = "ledger.read"
    LEDGER_VERIFY = "ledger.verify"
    LEDGER_EXPORT = "ledger.export"
    CONTENT_READ = "content.read"
    CONTENT_ERASE = "content.erase"
    HOLD_PLACE = "hold.place"
    KEY_ISSUE = "key.issue"
    KEY_REVOKE = "key.revoke"
    SESSION_END = "session.end"
    USAGE_READ = "usage.read"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a persona may do, and a sentence that says so."""

    means: str
    operations: frozenset[Operation]
    administration: frozenset[Administration]

    def allows(self, operations: Iterable[str]) -> bool:
        """Say whether rules may name these operations; `*` needs a persona that may use them all."""
        return all(each in self.operations or (each == "*" and self.calls_everything) for each in operations)

    @property
    def calls_everything(self) -> bool:
        """Say whether no operation is out of reach."""
        return self.operations == _CALLS


_CALLS = frozenset(Operation)
_NOTHING: frozenset[Operation] = frozenset()
_Act = Administration

PERSONAS: Mapping[Persona, Bounds] = MappingProxyType(
    {
        Persona.DATA_SCIENTIST: Bounds(
            "explores with models and checks texts; reads the policy and its usage",
            _CALLS,
            frozenset({_Act.POLICY_READ, _Act.USAGE_READ}),
        ),
        Persona.ML_ENGINEER: Bounds(
            "builds and runs what uses models; reads the policy, usage and the ledger's records",
            _CALLS,
            frozenset({_Act.POLICY_READ, _Act.USAGE_READ, _Act.LEDGER_READ, _Act.LEDGER_VERIFY}),
        ),
        Persona.APPLICATION: Bounds(
            "a program that calls models on behalf of its users; administers nothing", _CALLS, frozenset()
        ),
        Persona.AUDITOR: Bounds(
            "reads, verifies and exports the ledger, reads policy and usage; calls no model, changes nothing",
            _NOTHING,
            frozenset(
                {
                    _Act.POLICY_READ,
                    _Act.LEDGER_READ,
                    _Act.LEDGER_VERIFY,
                    _Act.LEDGER_EXPORT,
                    _Act.USAGE_READ,
                }
            ),
        ),
        Persona.SECURITY_OPERATOR: Bounds(
            "changes the policy, issues and revokes keys, ends sessions, holds and erases content, reads the "
            "ledger; checks texts against guardrails, calls no model",
            frozenset({Operation.APPLY_GUARDRAIL}),
            frozenset(Administration) - {_Act.CONTENT_READ},
        ),
        Persona.BILLING: Bounds(
            "reads usage figures and nothing else", _NOTHING, frozenset({_Act.USAGE_READ})
        ),
    }
)
"""What each persona may do at most; total over `Persona`."""


def may_administer(roles: Mapping[str, Role], held: Iterable[str], act: Administration) -> bool:
    """Say whether the holder of some roles may do an administrative act; an undefined role refuses all."""
    granted = False
    for name in held:
        role = roles.get(name)
        if role is None:
            return False
        granted |= role.persona is not None and act in PERSONAS[role.persona].administration
    return granted
