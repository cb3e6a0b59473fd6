"""In plain language: how callers prove who they are, and what a proof gives them."""

from collections.abc import Iterator

from keepstone.policy.explain.prose import listed
from keepstone.policy.schema.callers import CertificateRule, OidcProvider, StepUp
from keepstone.policy.schema.identities import Identities


def explain_callers(identities: Identities) -> Iterator[str]:
    """Yield a sentence for each way to be known, and for what needs more than that."""
    keys = identities.keys
    yield f"API keys live {keys.default_lifetime} unless stated, at most {keys.max_lifetime}."
    for name, provider in identities.oidc.items():
        yield from _provider(name, provider)
    if identities.sigv4 is not None:
        regions = f" for {listed(identities.sigv4.regions)}" if identities.sigv4.regions else ""
        yield f"Signed calls (SigV4){regions} are accepted, signed at most {identities.sigv4.skew} ago."
        if identities.sigv4.unsigned_payload == "allow":
            yield "A signature may leave out the body, which anyone on the way could then change."
    for rule in identities.mtls.rules if identities.mtls else ():
        yield f"{_holder(rule)} holds {listed(rule.roles)}."
    forwarded = identities.mtls.forwarded if identities.mtls else None
    if forwarded is not None:
        believed = [f"the holder of `{each}`" for each in forwarded.peers]
        believed += ["anything on this machine"] if forwarded.loopback else []
        yield (
            f"Whose certificate it was is believed of {listed(believed)}, "
            "by the last element of `x-forwarded-client-cert`."
        )
    for each in identities.step_up:
        yield _step_up(each)
    if identities.console is not None:
        console = identities.console
        yield (
            f"People sign in by provider `{console.provider}`; a session ends after {console.lifetime}, or "
            f"{console.idle} without use."
        )


def _provider(name: str, provider: OidcProvider) -> Iterator[str]:
    clients = f", issued to {listed(provider.clients)}" if provider.clients else ""
    yield (
        f"Tokens of provider `{name}` ({provider.issuer}) for {listed(provider.audiences)}{clients} are "
        "accepted."
    )
    for value, roles in provider.roles.items():
        yield f"Of them, `{value}` in `{provider.roles_claim}` gives {listed(roles)}."
    yield f"While `{name}` cannot be reached, its last keys hold {provider.keys_hold}."
    if provider.sender_constraint == "honoured":
        yield f"Who steals a token of `{name}` that no certificate is bound to can use it until it expires."
    if provider.once:
        yield f"A token of `{name}` is good only once for {listed(provider.once)}."


def _holder(rule: CertificateRule) -> str:
    kinds = (("SPIFFE id", rule.spiffe), ("DNS name", rule.dns), ("common name", rule.common_name))
    what = next(f"{kind} `{name}`" for kind, name in kinds if name is not None)
    return f"The holder of a verified client certificate with {what}"


def _step_up(rule: StepUp) -> str:
    models = "every model" if "*" in rule.models else listed([f"`{each}`" for each in rule.models])
    how = "" if "*" in rule.operations else f" by {listed(rule.operations)}"
    but = f", but for callers by {listed(rule.exempt)}" if rule.exempt else ""
    return f"Use of {models}{how} needs a sign-in with a second factor within {rule.max_age}{but}."
