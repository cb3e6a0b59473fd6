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

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1, description="what the role may use")]
    operations: Annotated[
        tuple[OperationName, ...], Meta(min_length=1, description="by which operations")
    ] = ("*",)
    max_data_class: Annotated[DataClassName, Meta(description="with data up to this class")] = "Internal"
    purposes: Annotated[
        tuple[Name, ...], Meta(description="only calls that state one of these; empty: any, or none")
    ] = ()
    regions: Annotated[
        tuple[RegionGlob, ...], Meta(description="only by upstreams in one of these regions; empty: any")
    ] = ()
    times: Annotated[tuple[Window, ...], Meta(description="only within one of these; empty: always")] = ()


class DenyRule(Closed, frozen=True, kw_only=True):
    """Models and operations that a role must not use; a denial overrides every allowance of every role."""

    models: Annotated[
        tuple[ModelGlob, ...],
        Meta(
            min_length=1,
            description="what the role must not use; in any letter case and with any geography of a profile",
        ),
    ] = ("*",)
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1, description="deny only these")] = (
        "*",
    )
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

    description: Annotated[str, Meta(description="who holds the role; `policy explain` says it")] = ""
    persona: Annotated[
        Persona | None, Meta(description="bounds what the rules may allow, and gives administrative rights")
    ] = None
    allow: Annotated[tuple[AllowRule, ...], Meta(description="the first rule that fits admits the call")] = ()
    deny: Annotated[
        tuple[DenyRule, ...],
        Meta(description="any rule that fits refuses the call, whatever another role allows"),
    ] = ()


class KeyRules(Closed, frozen=True, kw_only=True):
    """Rules for the API keys that `keepstone keys create` issues."""

    default_lifetime: Annotated[Duration, Meta(description="of a key for which none is stated")] = "90d"
    max_lifetime: Annotated[Duration, Meta(description="no key lives longer")] = "365d"


class Identities(Closed, frozen=True, kw_only=True):
    """Roles, and how callers prove who they are."""

    roles: Annotated[
        dict[Name, Role],
        Meta(min_length=1, description="what callers may do, by role; keys and providers give roles"),
    ]
    keys: KeyRules = KeyRules()
    oidc: Annotated[
        dict[Name, OidcProvider], Meta(description="providers whose JWTs are accepted, by name")
    ] = field(default_factory=dict)
    sigv4: Annotated[
        SigV4Rules | None, Meta(description="callers that sign (SigV4); absent: no signed calls")
    ] = None
    mtls: Annotated[
        MutualTls | None, Meta(description="client certificates that name callers; absent: they name nobody")
    ] = None
    console: Annotated[ConsoleLogin | None, Meta(description="how people sign in; absent: they cannot")] = (
        None
    )
    step_up: Annotated[
        tuple[StepUp, ...], Meta(description="calls that need a fresh sign-in with a second factor")
    ] = ()
