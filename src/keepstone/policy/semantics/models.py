"""What a well-formed document still gets wrong about models."""

from collections.abc import Callable, Iterator

from keepstone.core.exchange import DataClass
from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import Action, Directions, Guardrail
from keepstone.policy.semantics.references import meets, unknown, warning


def _models_name_known_things(policy: Policy) -> Iterator[Fault]:
    for index, model in enumerate(policy.models):
        path: Path = ("models", index)
        for number, upstream in enumerate(model.upstreams):
            if upstream not in policy.upstreams:
                yield unknown((*path, "upstreams", number), "upstream", upstream, policy.upstreams)
            elif upstream in model.upstreams[:number]:
                yield warning((*path, "upstreams", number), f"upstream `{upstream}` is listed twice")
        for upstream in model.upstream_ids:
            if upstream not in policy.upstreams:
                yield unknown((*path, "upstream_ids", upstream), "upstream", upstream, policy.upstreams)
            elif upstream not in model.upstreams:
                yield warning(
                    (*path, "upstream_ids", upstream),
                    f"upstream `{upstream}` is not among the model's `upstreams`",
                )
        if model.guardrail not in policy.guardrails:
            yield unknown((*path, "guardrail"), "guardrail", model.guardrail, policy.guardrails)


def _model_ids_are_unique(policy: Policy) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, model in enumerate(policy.models):
        if model.id in seen:
            yield Fault(
                ("models", index, "id"), f"duplicate model id `{shown(model.id)}`", "merge the two entries"
            )
        seen.add(model.id)


def _clearances_are_reachable(policy: Policy) -> Iterator[Fault]:
    for index, model in enumerate(policy.models):
        ceilings = [
            DataClass.parse(rule.max_data_class)
            for role in policy.identities.roles.values()
            for rule in role.allow
            if any(meets(glob, model.id, "allow") for glob in rule.models)
        ]
        if not ceilings:
            yield warning(("models", index, "id"), f"no role may use model `{shown(model.id)}`")
        elif max(ceilings) < DataClass.parse(model.max_data_class):
            yield warning(
                ("models", index, "max_data_class"),
                f"model `{shown(model.id)}` is cleared up to {model.max_data_class}, "
                f"but no role may use it above {max(ceilings).label}",
                "lower the clearance or raise `max_data_class` in a role's rule",
            )


def _restricted_models_are_guarded(policy: Policy) -> Iterator[Fault]:
    for index, model in enumerate(policy.models):
        guardrail = policy.guardrails.get(model.guardrail)
        if model.max_data_class == "Restricted" and guardrail is not None:
            missing = _unprotected(guardrail)
            if missing:
                yield Fault(
                    ("models", index, "max_data_class"),
                    f"model `{shown(model.id)}` is cleared for Restricted data, "
                    f"but guardrail `{model.guardrail}` acts on no {missing}",
                    f"mask or block some in `guardrails.{model.guardrail}`, or lower the clearance",
                )


def _unprotected(guardrail: Guardrail) -> str:
    if not any(_acts(action) for action in guardrail.pii.values()):
        return "personal data (`pii`)"
    return "" if _acts(guardrail.credentials) else "credentials"


def _acts(action: Action | Directions) -> bool:
    both = (action.input, action.output) if isinstance(action, Directions) else (action,)
    return any(each is not Action.NONE for each in both)


MODEL_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _models_name_known_things,
    _model_ids_are_unique,
    _clearances_are_reachable,
    _restricted_models_are_guarded,
)
