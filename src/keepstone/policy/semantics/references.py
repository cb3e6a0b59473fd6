"""Names and patterns that lead somewhere, or do not."""

from collections.abc import Iterable, Iterator

from keepstone.policy.model_ids import names_for_denial, names_of, overlap
from keepstone.policy.problems import Fault, Path, Severity, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.identities import AllowRule, DenyRule
from keepstone.policy.shape import nearest


def warning(path: Path, message: str, hint: str = "") -> Fault:
    """Return a fault that lets the document pass."""
    return Fault(path, message, hint, Severity.WARNING)


def unknown(path: Path, kind: str, name: str, known: Iterable[str]) -> Fault:
    """Return the fault of a name that is defined nowhere, with the nearest one that is."""
    near = nearest(name, known)
    names = ", ".join(f"`{each}`" for each in sorted(known)) or "none"
    return Fault(
        path, f"unknown {kind} `{shown(name)}`", f"did you mean `{near}`?" if near else f"defined: {names}"
    )


def globs_match_something(globs: tuple[str, ...], path: Path, policy: Policy, kind: str) -> Iterator[Fault]:
    """Warn of patterns that fit no model; `kind` is the rule that holds them."""
    for number, glob in enumerate(globs):
        if not any(meets(glob, model.id, kind) for model in policy.models):
            ids = ", ".join(f"`{shown(model.id)}`" for model in policy.models[:5])
            yield warning(
                (*path, number), f"this {kind} rule matches no model: `{shown(glob)}`", f"models: {ids}"
            )


def rules_of(policy: Policy) -> Iterator[tuple[Path, AllowRule | DenyRule]]:
    """Yield every rule of every role with its place."""
    for name, role in policy.identities.roles.items():
        path: Path = ("identities", "roles", name)
        yield from (((*path, "allow", number), rule) for number, rule in enumerate(role.allow))
        yield from (((*path, "deny", number), rule) for number, rule in enumerate(role.deny))


def meets(glob: str, model_id: str, kind: str) -> bool:
    """Say whether a rule's pattern can fit a model, by the names that such a rule compares."""
    if kind == "deny":
        return any(overlap(glob.lower(), name) for name in names_for_denial(model_id))
    return any(overlap(glob, name) for name in names_of(model_id))
