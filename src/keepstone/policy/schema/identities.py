"""Who calls, and what each role may do."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from keepstone.policy.schema.callers import ConsoleLogin, MutualTls, OidcProvider, SigV4Rules, StepUp
from keepstone.policy.schema.words import (
    Closed,
    DataClassName,
    Duration,
    ModelGlob,
    Name,
    OperationName,
    RegionGlob,
    Window,
)


class Persona(StrEnum):
    """What kind of person or program holds a role; bounds what the role may allow (docs/policy.md)."""

    DATA_SCIENTIST = "data-scientist"
    ML_ENGINEER = "ml-engineer"
    APPLICATION = "application"
    AUDITOR = "auditor"
    SECURITY_OPERATOR = "security-operator"
    BILLING = "billing"


class AllowRule(Closed, frozen=True, kw_only=True):
    """Models and operations that a role may use, up to a class of data."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1)]
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1)] = ("*",)
    max_data_class: DataClassName = "Internal"
    purposes: Annotated[
        tuple[Name, ...], Meta(description="only calls that state one of these; empty: any, or none")
    ] = ()
    regions: Annotated[
        tuple[RegionGlob, ...], Meta(description="only by upstreams in one of these regions; empty: any")
    ] = ()
    times: Annotated[tuple[Window, ...], Meta(description="only within one of these; empty: always")] = ()


class DenyRule(Closed, frozen=True, kw_only=True):
    """Models and operations that a role must not use; a denial overrides every allowance of every role."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1)] = ("*",)
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1)] = ("*",)
    above: Annotated[
        DataClassName | None, Meta(description="deny only calls whose data class is higher than this one")
    ] = None
    purposes: Annotated[
        tuple[Name, ...], Meta(description="deny only calls that state one of these; empty: all")
    ] = ()
    regions: Annotated[
        tuple[RegionGlob, ...],
        Meta(description="deny only upstreams in one of these regions, or in none that is known; empty: all"),
    ] = ()
    times: Annotated[
        tuple[Window, ...], Meta(description="deny only within one of these; empty: always")
    ] = ()
    because: Annotated[str, Meta(max_length=200, description="told to the refused caller")] = ""


class Role(Closed, frozen=True, kw_only=True):
    """What the holders of this role may do; a role without an allowance allows nothing."""

    description: str = ""
    persona: Annotated[
        Persona | None, Meta(description="bounds what the rules may allow, and gives administrative rights")
    ] = None
    allow: tuple[AllowRule, ...] = ()
    deny: tuple[DenyRule, ...] = ()


class KeyRules(Closed, frozen=True, kw_only=True):
    """Rules for the API keys that `keepstone keys create` issues."""

    default_lifetime: Duration = "90d"
    max_lifetime: Duration = "365d"


class Identities(Closed, frozen=True, kw_only=True):
    """Roles, and how callers prove who they are."""

    roles: Annotated[dict[Name, Role], Meta(min_length=1)]
    keys: KeyRules = KeyRules()
    oidc: Annotated[dict[Name, OidcProvider], Meta(description="whose JWTs are accepted")] = field(
        default_factory=dict
    )
    sigv4: Annotated[SigV4Rules | None, Meta(description="absent: no signed calls")] = None
    mtls: Annotated[MutualTls | None, Meta(description="absent: certificates name nobody")] = None
    console: Annotated[ConsoleLogin | None, Meta(description="absent: no sign-in of people")] = None
    step_up: tuple[StepUp, ...] = ()
