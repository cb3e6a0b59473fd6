"""What a well-formed document still gets wrong about personas, purposes, regions, times and found classes."""

from collections.abc import Callable, Iterator

from keepstone.policy.detected import BUILT_IN
from keepstone.policy.model_ids import Glob
from keepstone.policy.personas import PERSONAS
from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.semantics.references import globs_match_something, rules_of, unknown, warning
from keepstone.policy.shape import nearest
from keepstone.policy.times import parse_window


def _rules_match_models(policy: Policy) -> Iterator[Fault]:
    for name, role in policy.identities.roles.items():
        path: Path = ("identities", "roles", name)
        if not role.allow and (role.persona is None or PERSONAS[role.persona].operations):
            yield warning(path, f"role `{name}` allows nothing", "add an `allow` rule")
        rules = [("allow", n, allowance.models) for n, allowance in enumerate(role.allow)]
        rules += [("deny", n, denial.models) for n, denial in enumerate(role.deny)]
        for effect, number, globs in rules:
            yield from globs_match_something(globs, (*path, effect, number, "models"), policy, effect)


def personas_bound_roles(policy: Policy) -> Iterator[Fault]:
    """Refuse a rule that allows more than the role's persona may do."""
    for name, role in policy.identities.roles.items():
        if role.persona is None:
            continue
        bounds = PERSONAS[role.persona]
        may = ", ".join(sorted(bounds.operations)) or "none"
        for number, rule in enumerate(role.allow):
            for place, operation in enumerate(rule.operations):
                if not bounds.allows((operation,)):
                    yield Fault(
                        ("identities", "roles", name, "allow", number, "operations", place),
                        f"persona `{role.persona.value}` may not use `{operation}`",
                        f"operations of this persona: {may}",
                    )


def purposes_are_declared(policy: Policy) -> Iterator[Fault]:
    """Refuse a purpose that a rule names and `purposes` does not."""
    for path, rule in rules_of(policy):
        for number, purpose in enumerate(rule.purposes):
            if purpose not in policy.purposes:
                yield unknown((*path, "purposes", number), "purpose", purpose, policy.purposes)
    if policy.data.require_purpose and not policy.purposes:
        yield Fault(
            ("data", "require_purpose"),
            "a purpose is required, but none is declared",
            "declare what calls may be for in `purposes`",
        )


def times_exist(policy: Policy) -> Iterator[Fault]:
    """Refuse days, hours and time zones that do not exist."""
    for path, rule in rules_of(policy):
        for number, text in enumerate(rule.times):
            try:
                parse_window(text)
            except ValueError as error:
                yield Fault((*path, "times", number), str(error))


def regions_are_kept(policy: Policy) -> Iterator[Fault]:
    """Refuse a model whose upstreams lie outside its regions; warn of a rule for a region that none is in."""
    for index, model in enumerate(policy.models):
        globs = [Glob(each) for each in model.regions]
        for number, name in enumerate(model.upstreams):
            upstream = policy.upstreams.get(name)
            if globs and upstream is not None and not any(each.matches(upstream.region) for each in globs):
                where = f"in `{upstream.region}`" if upstream.region else "in no known region"
                yield Fault(
                    ("models", index, "upstreams", number),
                    f"upstream `{name}` is {where}, and the model is limited to {', '.join(model.regions)}",
                    "take it out of `upstreams`, or say its `region`",
                )
    known = {each.region for each in policy.upstreams.values() if each.region}
    for path, rule in rules_of(policy):
        for number, region in enumerate(rule.regions):
            if not any(Glob(region).matches(each) for each in known):
                hint = f"regions: {', '.join(sorted(known)) or 'none'}"
                message = f"no upstream is in region `{region}`"
                yield warning((*path, "regions", number), message, hint)


def detected_types_exist(policy: Policy) -> Iterator[Fault]:
    """Refuse a class for a find that nothing can make."""
    patterns = {regex.name for guardrail in policy.guardrails.values() for regex in guardrail.regexes}
    for kind in policy.data.detected:
        if kind not in BUILT_IN and kind not in patterns:
            near = nearest(kind, [*BUILT_IN, *patterns])
            hint = (
                f"did you mean `{near}`?" if near else "expected a type of personal data or a pattern's name"
            )
            yield Fault(("data", "detected", kind), f"nothing is found as `{shown(kind)}`", hint, at_key=True)


ADMISSION_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _rules_match_models,
    personas_bound_roles,
    purposes_are_declared,
    times_exist,
    regions_are_kept,
    detected_types_exist,
)
