"""Conditions that no call can ever meet, as far as the document tells: what it names, it does not have."""

from collections.abc import Callable, Iterable, Iterator

from keepstone.core.exchange import WITHOUT_MODEL
from keepstone.policy.model_ids import Glob, names_of, overlap
from keepstone.policy.problems import Fault, Path
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.identities import AllowRule, DenyRule
from keepstone.policy.schema.record import Content
from keepstone.policy.schema.upstreams import BedrockUpstream
from keepstone.policy.semantics.references import globs_match_something, meets, rules_of, warning

_NAME_NO_MODEL = frozenset(each.value for each in WITHOUT_MODEL)


def _rules_can_apply(policy: Policy) -> Iterator[Fault]:
    for path, rule in rules_of(policy):
        if isinstance(rule, AllowRule):
            yield from _allowance_has_a_way(policy, rule, path)
        else:
            yield from _denial_can_hit(rule, path)


def _allowance_has_a_way(policy: Policy, rule: AllowRule, path: Path) -> Iterator[Fault]:
    """Warn of regions that exist, but not for the models of the rule."""
    globs = [Glob(each) for each in rule.regions]
    regions = {
        policy.upstreams[name].region
        for model in policy.models
        if any(meets(each, model.id, "allow") for each in rule.models)
        for name in model.upstreams
        if name in policy.upstreams
    }
    known = {each.region for each in policy.upstreams.values() if each.region}
    some_exist = any(glob.matches(each) for glob in globs for each in known)
    if regions and some_exist and not any(glob.matches(each) for glob in globs for each in regions):
        found = ", ".join(sorted(filter(None, regions))) or "no known region"
        message = (
            f"no model of this rule has an upstream in {' or '.join(f'`{each}`' for each in rule.regions)}"
        )
        yield warning((*path, "regions"), message, f"their upstreams are in: {found}")


def _denial_can_hit(rule: DenyRule, path: Path) -> Iterator[Fault]:
    if rule.above == "Restricted":
        hint = "leave `above` out to deny every class"
        yield warning((*path, "above"), "no class is above `Restricted`: this rule denies nothing", hint)
    if set(rule.operations) <= _NAME_NO_MODEL and "*" not in rule.models:
        message = f"a call by {' or '.join(rule.operations)} names no model, so this rule never denies it"
        yield warning((*path, "models"), message, 'deny it for all models: `models: ["*"]`')


def _changes_can_be_made(policy: Policy) -> Iterator[Fault]:
    for index, transform in enumerate(policy.transforms):
        path: Path = ("transforms", index)
        if set(transform.operations) <= {*_NAME_NO_MODEL, "CountTokens"}:
            message = f"no call by {' or '.join(transform.operations)} is ever changed"
            hint = "CountTokens counts a call of another operation, as that one is changed"
            yield warning((*path, "operations"), message, hint)
        yield from _roles_may_use(policy, transform.roles, transform.models, path, "transform changes")


def _limits_can_count(policy: Policy) -> Iterator[Fault]:
    for index, limit in enumerate(policy.limits):
        path: Path = ("limits", index)
        yield from _roles_may_use(policy, limit.roles, limit.models, path, "limit counts")
        if limit.scope == "tenant" and not _tenants(policy):
            hint = "name the claim that holds it: `tenant_claim` of a provider in `identities.oidc`"
            message = "no caller has a tenant, so all of them share one"
            yield warning((*path, "scope"), message, hint)
    retention = policy.retention
    kept = retention.content is not Content.NONE
    if kept and retention.subject.source == "tenant" and not _tenants(policy):
        refused = retention.subject.missing == "refuse"
        fate = "so every call is refused" if refused else "so every caller is its own subject"
        yield warning(
            ("retention", "subject", "source"), f"no caller has a tenant, {fate}", "set `tenant_claim`"
        )


def _tenants(policy: Policy) -> bool:
    return any(each.tenant_claim for each in policy.identities.oidc.values())


def _roles_may_use(
    policy: Policy, roles: Iterable[str], models: tuple[str, ...], path: Path, what: str
) -> Iterator[Fault]:
    """Warn when the roles that an entry is about may use none of the models that it is about."""
    named = [policy.identities.roles[each] for each in roles if each in policy.identities.roles]
    about = [each.id for each in policy.models if any(_fits(glob, each.id) for glob in models)]
    if not named or not about or "*" in roles:
        return
    allowed = [glob for role in named for rule in role.allow for glob in rule.models]
    shared = any(overlap(left, right) for left in allowed for right in models)
    if not shared or not any(meets(glob, each, "allow") for glob in allowed for each in about):
        yield warning((*path, "roles"), f"this {what} nothing: these roles may use none of its models")


def _fits(glob: str, model_id: str) -> bool:
    return any(overlap(glob, name) for name in names_of(model_id))


def _callers_can_be_met(policy: Policy) -> Iterator[Fault]:
    mtls = policy.identities.mtls
    for number, rule in enumerate(mtls.rules if mtls else ()):
        path: Path = ("identities", "mtls", "rules", number, "models")
        yield from globs_match_something(rule.models, path, policy, "certificate")


def _prices_can_be_paid(policy: Policy) -> Iterator[Fault]:
    regions = {each.region for each in policy.upstreams.values() if isinstance(each, BedrockUpstream)}
    for index, price in enumerate(policy.prices):
        if price.region not in ("*", *regions):
            known = ", ".join(sorted(regions)) or "none"
            message = f"no upstream of kind `bedrock` is in region `{price.region}`: this price holds nowhere"
            yield warning(("prices", index, "region"), message, f"regions: {known}")


CONDITION_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _rules_can_apply,
    _changes_can_be_made,
    _limits_can_count,
    _callers_can_be_met,
    _prices_can_be_paid,
)
