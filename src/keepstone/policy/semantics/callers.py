"""What a well-formed document still gets wrong about how callers prove who they are."""

from collections.abc import Callable, Iterable, Iterator

from keepstone.policy.bedrock_endpoint import url_faults
from keepstone.policy.duration import parse_duration
from keepstone.policy.model_ids import names_for_denial, overlap
from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.identities import Identities
from keepstone.policy.semantics.references import unknown, warning

_LONGEST_SKEW = "5m"
_LONGEST_SIGNED = "15m"


def _providers_are_sound(policy: Policy) -> Iterator[Fault]:
    issuers: set[str] = set()
    for name, provider in policy.identities.oidc.items():
        path: Path = ("identities", "oidc", name)
        if provider.issuer in issuers:
            yield Fault((*path, "issuer"), "another provider has the same issuer", "merge the two entries")
        issuers.add(provider.issuer)
        yield from _address_is_safe(provider.issuer, (*path, "issuer"))
        yield from _address_is_safe(provider.jwks_uri, (*path, "jwks_uri"))
        for value, roles in provider.roles.items():
            yield from _roles_exist(policy.identities, roles, (*path, "roles", value))
        yield from _at_most(provider.skew, _LONGEST_SKEW, (*path, "skew"))
        if parse_duration(provider.keys_max_age) > parse_duration(provider.keys_hold):
            yield Fault((*path, "keys_hold"), "`keys_hold` is shorter than `keys_max_age`")


def _signatures_are_bounded(policy: Policy) -> Iterator[Fault]:
    rules = policy.identities.sigv4
    if rules is not None:
        yield from _at_most(rules.skew, _LONGEST_SIGNED, ("identities", "sigv4", "skew"))


def _certificate_rules_name_one_thing(policy: Policy) -> Iterator[Fault]:
    mtls = policy.identities.mtls
    for number, rule in enumerate(mtls.rules if mtls else ()):
        path: Path = ("identities", "mtls", "rules", number)
        yield from _roles_exist(policy.identities, rule.roles, (*path, "roles"))
        if sum(each is not None for each in (rule.spiffe, rule.dns, rule.common_name)) != 1:
            yield Fault(path, "expected exactly one of `spiffe`, `dns` and `common_name`")
        if rule.dns is not None and "*" in rule.dns.removeprefix("*."):
            yield Fault((*path, "dns"), "`*` stands for the first label only, as in `*.example.com`")


def _forwarding_names_somebody(policy: Policy) -> Iterator[Fault]:
    forwarded = policy.identities.mtls.forwarded if policy.identities.mtls else None
    path: Path = ("identities", "mtls", "forwarded")
    if forwarded is not None and not forwarded.peers and not forwarded.loopback:
        yield Fault(path, "nobody is believed", "name `peers`, or leave it out")
    if forwarded is not None and forwarded.loopback:
        message = "whatever runs on this machine can call as anybody"
        yield warning((*path, "loopback"), message)


def _step_up_can_be_met(policy: Policy) -> Iterator[Fault]:
    for number, rule in enumerate(policy.identities.step_up):
        path: Path = ("identities", "step_up", number)
        for position, glob in enumerate(rule.models):
            known = (name for model in policy.models for name in names_for_denial(model.id))
            if not any(overlap(glob.lower(), name) for name in known):
                message = f"this step_up rule matches no model: `{shown(glob)}`"
                yield warning((*path, "models", position), message)
        if not rule.methods and not rule.levels:
            yield Fault(path, "expected `methods`, `levels` or both, got neither")
        if not policy.identities.oidc:
            message = "no token can show a second factor, so these calls are all refused"
            yield warning(path, message, "add a provider to `identities.oidc`")


def _sign_in_leads_somewhere(policy: Policy) -> Iterator[Fault]:
    console = policy.identities.console
    if console is None:
        return
    path: Path = ("identities", "console")
    if console.provider not in policy.identities.oidc:
        yield unknown((*path, "provider"), "provider", console.provider, policy.identities.oidc)
    elif policy.identities.oidc[console.provider].jwks_uri:
        yield Fault((*path, "provider"), "sign-in needs discovery, which `jwks_uri` turns off")
    yield from _address_is_safe(console.url, (*path, "url"))
    if "openid" not in console.scopes:
        yield Fault((*path, "scopes"), "expected `openid` among the scopes")
    secret = console.client_secret
    if secret is not None and (secret.env is None) == (secret.file is None):
        yield Fault((*path, "client_secret"), "expected one of `env` and `file`", "write `{env: NAME}`")
    if parse_duration(console.idle) > parse_duration(console.lifetime):
        yield Fault((*path, "idle"), "`idle` is longer than `lifetime`")


def _roles_exist(identities: Identities, roles: Iterable[str], path: Path) -> Iterator[Fault]:
    for number, role in enumerate(roles):
        if role not in identities.roles:
            yield unknown((*path, number), "role", role, identities.roles)


def _address_is_safe(url: str, path: Path) -> Iterator[Fault]:
    """Refuse plain HTTP but on this machine: who could change keys or sign-ins on the way is everybody."""
    for fault in url_faults(url, path):
        yield Fault(fault.path, fault.message, fault.hint)


def _at_most(duration: str, longest: str, path: Path) -> Iterator[Fault]:
    if parse_duration(duration) > parse_duration(longest):
        yield Fault(path, f"expected at most `{longest}`, got `{duration}`")


CALLER_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _providers_are_sound,
    _signatures_are_bounded,
    _certificate_rules_name_one_thing,
    _forwarding_names_somebody,
    _step_up_can_be_met,
    _sign_in_leads_somewhere,
)
