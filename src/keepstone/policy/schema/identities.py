"""Who calls, and what each role may do."""

from typing import Annotated

from msgspec import Meta

from keepstone.policy.schema.words import Closed, DataClassName, Duration, ModelGlob, Name, OperationName


class AllowRule(Closed, frozen=True, kw_only=True):
    """Models and operations that a role may use, up to a class of data."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1)]
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1)] = ("*",)
    max_data_class: DataClassName = "Internal"


class DenyRule(Closed, frozen=True, kw_only=True):
    """Models and operations that a role must not use; a denial overrides every allowance of every role."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1)] = ("*",)
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1)] = ("*",)
    above: Annotated[
        DataClassName | None, Meta(description="deny only calls whose data class is higher than this one")
    ] = None
    because: Annotated[str, Meta(max_length=200, description="told to the refused caller")] = ""


class Role(Closed, frozen=True, kw_only=True):
    """What the holders of this role may do; a role without an allowance allows nothing."""

    description: str = ""
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
