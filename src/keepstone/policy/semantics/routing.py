"""What a well-formed document still gets wrong about quotas, hedges and trials."""

from collections.abc import Callable, Iterator

from keepstone.policy.duration import parse_duration
from keepstone.policy.model_ids import is_pattern
from keepstone.policy.problems import Fault, Path, Severity, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.routing import Canary, Shadow, Spread
from keepstone.policy.schema.upstreams import Model


def quotas_make_sense(policy: Policy) -> Iterator[Fault]:
    """Refuse quotas of unknown upstreams, and known ones beside unknown ones: they cannot be compared."""
    for number, model in enumerate(policy.models):
        path: Path = ("models", number, "quotas")
        for name in model.quotas:
            if name not in model.upstreams:
                yield Fault((*path, name), f"upstream `{shown(name)}` is not among the model's `upstreams`")
        if model.quotas and model.spread is not Spread.QUOTA:
            message = "`quotas` count only with `spread: quota`"
            yield Fault(path, message, severity=Severity.WARNING)
        known = {name for name, each in model.quotas.items() if each.requests or each.tokens}
        missing = sorted(set(model.upstreams) - known)
        if known and missing:
            message = f"upstream `{missing[0]}` has no quota of requests or tokens, others have"
            yield Fault(path, message, "state it for all of the model's upstreams, or for none")


def hedges_make_sense(policy: Policy) -> Iterator[Fault]:
    """Refuse a hedge that has nobody else to ask, or comes after the deadline."""
    for number, model in enumerate(policy.models):
        if model.hedge_after is None:
            continue
        path: Path = ("models", number, "hedge_after")
        if len(set(model.upstreams)) < 2:
            yield Fault(path, "`hedge_after` needs a second upstream")
        if parse_duration(model.hedge_after) >= parse_duration(model.deadline or policy.gateway.deadline):
            yield Fault(path, "`hedge_after` is not shorter than the deadline")


def trials_make_sense(policy: Policy) -> Iterator[Fault]:
    """Refuse a canary or a shadow that goes nowhere, or where the model goes anyway."""
    for number, model in enumerate(policy.models):
        for kind, trial in (("canary", model.canary), ("shadow", model.shadow)):
            if trial is not None:
                yield from _trial_faults(policy, model, trial, ("models", number, kind))


def _trial_faults(policy: Policy, model: Model, trial: Canary | Shadow, path: Path) -> Iterator[Fault]:
    if trial.upstream is not None and trial.upstream not in policy.upstreams:
        known = ", ".join(f"`{each}`" for each in sorted(policy.upstreams))
        yield Fault((*path, "upstream"), f"unknown upstream `{shown(trial.upstream)}`", f"defined: {known}")
    if trial.upstream is None and not trial.upstream_id:
        yield Fault(path, "nothing is on trial", "set `upstream_id`, `upstream` or both")
    if trial.upstream_id and is_pattern(model.id):
        message = "an `upstream_id` would stand for every model that fits the pattern"
        yield Fault((*path, "upstream_id"), message, "give the model an entry of its own")
    if is_pattern(trial.upstream_id):
        yield Fault((*path, "upstream_id"), "expected a model id, got a pattern")


ROUTING_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    quotas_make_sense,
    hedges_make_sense,
    trials_make_sense,
)
