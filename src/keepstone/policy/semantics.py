"""What a well-formed document still gets wrong.

Names that lead nowhere, rules that can never apply, bounds that contradict each other. Each check is a
function from the document to faults; `CHECKS` lists them all.
"""

from collections.abc import Callable, Iterable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import re2

from keepstone.core.exchange import DataClass
from keepstone.policy.bedrock_endpoint import aws_url_faults, bedrock_faults, url_faults
from keepstone.policy.duration import parse_duration
from keepstone.policy.model_ids import names_for_denial, names_of, overlap
from keepstone.policy.personas import PERSONAS
from keepstone.policy.problems import Fault, Path, Severity, shown
from keepstone.policy.residency.faults import residency_faults
from keepstone.policy.schema.cache import CacheMatch
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import (
    Action,
    CustomRegex,
    Directions,
    Guardrail,
    MaskStyle,
    StreamScan,
)
from keepstone.policy.schema.limits import DEFAULT_WINDOW, Limit
from keepstone.policy.schema.record import S3Anchor, S3Store, WitnessAnchor
from keepstone.policy.schema.upstreams import BedrockUpstream, DevBehaviour, DevUpstream, OpenAIUpstream
from keepstone.policy.semantics_admission import ADMISSION_CHECKS
from keepstone.policy.semantics_callers import CALLER_CHECKS
from keepstone.policy.semantics_record import RECORD_CHECKS
from keepstone.policy.semantics_routing import ROUTING_CHECKS
from keepstone.policy.shape import nearest

_LONGEST_WINDOW = "31d"
_LONGEST_STALE = "1h"
_LONGEST_BOUNDED_LOSS = "1s"
_LONGEST_INTERVAL = "1d"


def faults_of_meaning(policy: Policy) -> Iterator[Fault]:
    """Yield every fault that needs more than one field to be seen."""
    for check in CHECKS:
        yield from check(policy)


def _warning(path: Path, message: str, hint: str = "") -> Fault:
    return Fault(path, message, hint, Severity.WARNING)


def _unknown(path: Path, kind: str, name: str, known: Iterable[str]) -> Fault:
    near = nearest(name, known)
    names = ", ".join(f"`{each}`" for each in sorted(known)) or "none"
    return Fault(
        path, f"unknown {kind} `{shown(name)}`", f"did you mean `{near}`?" if near else f"defined: {names}"
    )


def _models_name_known_things(policy: Policy) -> Iterator[Fault]:
    for index, model in enumerate(policy.models):
        path: Path = ("models", index)
        for number, upstream in enumerate(model.upstreams):
            if upstream not in policy.upstreams:
                yield _unknown((*path, "upstreams", number), "upstream", upstream, policy.upstreams)
            elif upstream in model.upstreams[:number]:
                yield _warning((*path, "upstreams", number), f"upstream `{upstream}` is listed twice")
        for upstream in model.upstream_ids:
            if upstream not in policy.upstreams:
                yield _unknown((*path, "upstream_ids", upstream), "upstream", upstream, policy.upstreams)
            elif upstream not in model.upstreams:
                yield _warning(
                    (*path, "upstream_ids", upstream),
                    f"upstream `{upstream}` is not among the model's `upstreams`",
                )
        if model.guardrail not in policy.guardrails:
            yield _unknown((*path, "guardrail"), "guardrail", model.guardrail, policy.guardrails)


def _model_ids_are_unique(policy: Policy) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, model in enumerate(policy.models):
        if model.id in seen:
            yield Fault(
                ("models", index, "id"), f"duplicate model id `{shown(model.id)}`", "merge the two entries"
            )
        seen.add(model.id)


def _limits_make_sense(policy: Policy) -> Iterator[Fault]:
    names: set[str] = set()
    for index, limit in enumerate(policy.limits):
        path: Path = ("limits", index)
        if limit.name in names:
            yield Fault((*path, "name"), f"duplicate limit `{limit.name}`", "give each limit its own name")
        names.add(limit.name)
        yield from _limit_says_something(limit, path)
        for number, role in enumerate(limit.roles):
            if role != "*" and role not in policy.identities.roles:
                yield _unknown((*path, "roles", number), "role", role, policy.identities.roles)
        yield from _globs_match_something(limit.models, (*path, "models"), policy, "limit")
        if parse_duration(limit.window) > parse_duration(_LONGEST_WINDOW):
            yield Fault((*path, "window"), f"expected at most `{_LONGEST_WINDOW}`, got `{limit.window}`")


def _limit_says_something(limit: Limit, path: Path) -> Iterator[Fault]:
    spent = (limit.requests, limit.tokens, limit.input_tokens, limit.output_tokens, limit.cost)
    is_timed = any(each is not None for each in spent)
    if not is_timed and limit.streams is None and limit.concurrent is None:
        hint = "set `requests`, `tokens`, `cost`, `streams` or another unit"
        yield Fault(path, f"limit `{limit.name}` limits nothing", hint)
    if limit.per is not None and limit.window != DEFAULT_WINDOW:
        yield Fault((*path, "per"), "`per` and `window` exclude each other")
    if limit.per is None and limit.zone != "UTC":
        yield _warning((*path, "zone"), "`zone` matters with `per` only")
    try:
        ZoneInfo(limit.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault((*path, "zone"), f"unknown time zone `{shown(limit.zone)}`", "such as `Europe/Oslo`")


def _prices_fit_the_limits_of_money(policy: Policy) -> Iterator[Fault]:
    currencies = {limit.currency for limit in policy.limits if limit.cost is not None}
    if len(currencies) > 1:
        first = next(n for n, limit in enumerate(policy.limits) if limit.cost is not None)
        found = ", ".join(f"`{each}`" for each in sorted(currencies))
        yield Fault(
            ("limits", first, "currency"),
            f"limits of money are in {found}, expected one currency",
            "a price is in one currency and cannot be converted",
        )
    for index, price in enumerate(policy.prices):
        if currencies and price.currency not in currencies:
            yield _warning(
                ("prices", index, "currency"),
                f"no limit of money is in `{price.currency}`: it counts nowhere",
            )
        yield from _globs_match_something((price.model,), ("prices", index), policy, "price")


def _cache_can_work(policy: Policy) -> Iterator[Fault]:
    cache = policy.cache
    if cache is None:
        return
    yield from _globs_match_something(cache.models, ("cache", "models"), policy, "cache")
    if (cache.match is CacheMatch.SEMANTIC) != (cache.embedding is not None):
        hint = "`match: semantic` and `embedding` go together"
        yield Fault(("cache", "match"), "meaning is compared by an embedding model", hint)
    if cache.embedding is not None and cache.embedding.upstream not in policy.upstreams:
        path: Path = ("cache", "embedding", "upstream")
        yield _unknown(path, "upstream", cache.embedding.upstream, policy.upstreams)


def _transforms_make_sense(policy: Policy) -> Iterator[Fault]:
    names: set[str] = set()
    for index, transform in enumerate(policy.transforms):
        path: Path = ("transforms", index)
        if transform.name in names:
            yield Fault((*path, "name"), f"duplicate transform `{transform.name}`", "give each its own name")
        names.add(transform.name)
        if not transform.request and not transform.response:
            yield Fault(path, f"transform `{transform.name}` changes nothing", "set `request` or `response`")
        for number, role in enumerate(transform.roles):
            if role != "*" and role not in policy.identities.roles:
                yield _unknown((*path, "roles", number), "role", role, policy.identities.roles)
        yield from _globs_match_something(transform.models, (*path, "models"), policy, "transform")


def _rules_match_models(policy: Policy) -> Iterator[Fault]:
    for name, role in policy.identities.roles.items():
        path: Path = ("identities", "roles", name)
        if not role.allow and (role.persona is None or PERSONAS[role.persona].operations):
            yield _warning(path, f"role `{name}` allows nothing", "add an `allow` rule")
        rules = [("allow", n, allowance.models) for n, allowance in enumerate(role.allow)]
        rules += [("deny", n, denial.models) for n, denial in enumerate(role.deny)]
        for effect, number, globs in rules:
            yield from _globs_match_something(globs, (*path, effect, number, "models"), policy, effect)


def _globs_match_something(globs: tuple[str, ...], path: Path, policy: Policy, kind: str) -> Iterator[Fault]:
    for number, glob in enumerate(globs):
        if not any(_meets(glob, model.id, kind) for model in policy.models):
            ids = ", ".join(f"`{shown(model.id)}`" for model in policy.models[:5])
            yield _warning(
                (*path, number), f"this {kind} rule matches no model: `{shown(glob)}`", f"models: {ids}"
            )


def _meets(glob: str, model_id: str, kind: str) -> bool:
    """Say whether a rule's pattern can fit a model, by the names that such a rule compares."""
    if kind == "deny":
        return any(overlap(glob.lower(), name) for name in names_for_denial(model_id))
    return any(overlap(glob, name) for name in names_of(model_id))


def _clearances_are_reachable(policy: Policy) -> Iterator[Fault]:
    for index, model in enumerate(policy.models):
        ceilings = [
            DataClass.parse(rule.max_data_class)
            for role in policy.identities.roles.values()
            for rule in role.allow
            if any(_meets(glob, model.id, "allow") for glob in rule.models)
        ]
        if not ceilings:
            yield _warning(("models", index, "id"), f"no role may use model `{shown(model.id)}`")
        elif max(ceilings) < DataClass.parse(model.max_data_class):
            yield _warning(
                ("models", index, "max_data_class"),
                f"model `{shown(model.id)}` is cleared up to {model.max_data_class}, "
                f"but no role may use it above {max(ceilings).label}",
                "lower the clearance or raise `max_data_class` in a role's rule",
            )


def _guardrails_are_used(policy: Policy) -> Iterator[Fault]:
    used = {model.guardrail for model in policy.models}
    for name, guardrail in policy.guardrails.items():
        implied = name == "default" and guardrail == Guardrail()
        if name not in used and not implied:
            yield _warning(
                ("guardrails", name),
                f"guardrail `{name}` is used by no model",
                "name it in a model; otherwise only ApplyGuardrail calls reach it",
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


def _words_and_patterns_compile(policy: Policy) -> Iterator[Fault]:
    for name, guardrail in policy.guardrails.items():
        path: Path = ("guardrails", name)
        for index, word in enumerate(guardrail.words):
            text = word if isinstance(word, str) else word.text
            if not text.strip() or len(text) > 100:
                yield Fault((*path, "words", index), "expected a word or phrase of 1 to 100 characters")
        seen: set[str] = set()
        for index, regex in enumerate(guardrail.regexes):
            if regex.name in seen:
                yield Fault((*path, "regexes", index, "name"), f"duplicate pattern name `{regex.name}`")
            seen.add(regex.name)
            yield from _regex_compiles(regex, (*path, "regexes", index, "pattern"))


def _masks_can_work(policy: Policy) -> Iterator[Fault]:
    for name, guardrail in policy.guardrails.items():
        path: Path = ("guardrails", name)
        masking = guardrail.masking
        for number, role in enumerate(masking.restore_to):
            if role != "*" and role not in policy.identities.roles:
                place = (*path, "masking", "restore_to", number)
                yield _unknown(place, "role", role, policy.identities.roles)
        if masking.restore_to and masking.style is MaskStyle.TYPE:
            message = "nothing can be restored: all that is masked alike reads alike"
            yield Fault((*path, "masking", "restore_to"), message, "set `style: surrogate`")
        if guardrail.stream is StreamScan.ASYNC and _masks_output(guardrail):
            message = "a stream leaves before it is scanned, so nothing in it is masked"
            yield _warning((*path, "stream"), message, "use `windowed`, or `BLOCK` what must not pass")


def _masks_output(guardrail: Guardrail) -> bool:
    actions = (*guardrail.pii.values(), *(each.action for each in guardrail.regexes), guardrail.credentials)
    return Action.ANONYMIZE in (each.output if isinstance(each, Directions) else each for each in actions)


def _regex_compiles(regex: CustomRegex, path: Path) -> Iterator[Fault]:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(regex.pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        hint = "RE2 has no look-around and no back-references"
        yield Fault(path, f"not a pattern in RE2 syntax: {shown(reason)}", hint)
        return
    if compiled.search("") is not None:
        yield Fault(path, "the pattern matches empty text", "require at least one character")


def _upstreams_are_sound(policy: Policy) -> Iterator[Fault]:
    used = {name for model in policy.models for name in model.upstreams}
    trials = [each for model in policy.models for each in (model.canary, model.shadow) if each]
    used |= {each.upstream for each in trials if each.upstream}
    for name, upstream in policy.upstreams.items():
        path: Path = ("upstreams", name)
        if name not in used:
            yield _warning(path, f"upstream `{name}` is used by no model")
        if parse_duration(upstream.connect_timeout) > parse_duration(upstream.timeout):
            yield Fault((*path, "connect_timeout"), "`connect_timeout` is longer than `timeout`")
        match upstream:
            case BedrockUpstream():
                yield from bedrock_faults(upstream, path)
                yield from _one_source(upstream, "bearer_token", path)
            case OpenAIUpstream():
                yield from url_faults(upstream.base_url, (*path, "base_url"))
                yield from _one_source(upstream, "api_key", path)
            case DevUpstream():
                if upstream.behaviour is DevBehaviour.SCRIPTED and not upstream.script:
                    yield _warning((*path, "behaviour"), f"upstream `{name}` is scripted but has no `script`")


def _one_source(upstream: BedrockUpstream | OpenAIUpstream, name: str, path: Path) -> Iterator[Fault]:
    secret = getattr(upstream, name)
    if secret is not None and (secret.env is None) == (secret.file is None):
        got = "neither" if secret.env is None else "both"
        yield Fault((*path, name), f"expected one of `env` and `file`, got {got}", "write `{env: NAME}`")


def _bounds_agree(policy: Policy) -> Iterator[Fault]:
    keys = policy.identities.keys
    if parse_duration(keys.default_lifetime) > parse_duration(keys.max_lifetime):
        yield Fault(
            ("identities", "keys", "default_lifetime"), "`default_lifetime` is longer than `max_lifetime`"
        )
    if parse_duration(policy.record.window) > parse_duration(_LONGEST_BOUNDED_LOSS):
        yield Fault(
            ("record", "window"), f"expected at most `{_LONGEST_BOUNDED_LOSS}`, got `{policy.record.window}`"
        )
    stale_for = policy.store.stale_for
    if parse_duration(stale_for) > parse_duration(_LONGEST_STALE):
        yield Fault(("store", "stale_for"), f"expected at most `{_LONGEST_STALE}`, got `{stale_for}`")


def _copies_are_sound(policy: Policy) -> Iterator[Fault]:
    record = policy.record
    places: list[tuple[Path, S3Store | S3Anchor]] = []
    if record.store is not None:
        places.append((("record", "store"), record.store))
        yield from _interval(("record", "store", "interval"), record.store.interval)
    yield from _interval(("record", "anchor_every"), record.anchor_every)
    for number, anchor in enumerate(record.anchors):
        path: Path = ("record", "anchors", number)
        if isinstance(anchor, S3Anchor):
            places.append((path, anchor))
        elif isinstance(anchor, WitnessAnchor):
            yield from url_faults(anchor.url, (*path, "url"))
    for path, place in places:
        yield from aws_url_faults(place.endpoint_url, place.region, (*path, "endpoint_url"))
        if place.lock_days is not None and place.lock_days < policy.retention.ledger_days:
            message = "what lies there can be deleted before `retention.ledger_days` are over"
            yield _warning((*path, "lock_days"), message)
    if len({(place.bucket, place.prefix) for _, place in places}) < len(places):
        message = "two places are one bucket and prefix: an anchor that can go with the copy anchors nothing"
        yield Fault(("record", "anchors"), message)


def _interval(path: Path, interval: str) -> Iterator[Fault]:
    if parse_duration(interval) > parse_duration(_LONGEST_INTERVAL):
        yield Fault(path, f"expected at most `{_LONGEST_INTERVAL}`, got `{interval}`")


CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _models_name_known_things,
    _model_ids_are_unique,
    _limits_make_sense,
    _prices_fit_the_limits_of_money,
    _transforms_make_sense,
    _cache_can_work,
    _rules_match_models,
    _clearances_are_reachable,
    _guardrails_are_used,
    _restricted_models_are_guarded,
    _words_and_patterns_compile,
    _masks_can_work,
    _upstreams_are_sound,
    _bounds_agree,
    *ROUTING_CHECKS,
    *ADMISSION_CHECKS,
    *CALLER_CHECKS,
    residency_faults,
    *RECORD_CHECKS,
    _copies_are_sound,
)
