"""What each reason code means and what to do about it: the text of `docs/reference/reasons.md`."""

from keepstone.core.decision import ReasonCode as Code

MEANINGS: dict[Code, tuple[str, str]] = {
    Code.CREDENTIALS_MISSING: (
        "The call has no credentials of a kind that the policy accepts.",
        "Set `AWS_BEARER_TOKEN_BEDROCK` to a key of this gateway; `identities` says what else is accepted.",
    ),
    Code.CREDENTIALS_UNKNOWN: (
        "No key of this gateway, a token that its provider has not signed, or a certificate without a rule.",
        "Check for a missing character; `keepstone keys list` shows the ids. The message says which it was.",
    ),
    Code.CREDENTIALS_EXPIRED: (
        "The lifetime of the key, token or client certificate is over.",
        "Get a new one: `keepstone keys create`, or the identity provider.",
    ),
    Code.CREDENTIALS_REVOKED: ("The key was revoked.", "Ask whoever revoked it."),
    Code.CREDENTIALS_NOT_YET_VALID: (
        "The token's `nbf` or `iat` lies in the future.",
        "Set the clocks; `identities.oidc.*.skew` is what they may differ.",
    ),
    Code.CREDENTIALS_FOR_ANOTHER: (
        "The token has another audience or client, or the signature another service or region.",
        "Ask the provider for a token whose `aud` is one of the policy's `audiences`.",
    ),
    Code.CREDENTIALS_INCOMPLETE: (
        "The token lacks a claim that the policy relies on, or it is misshapen.",
        "The message names the claim; let the provider add it.",
    ),
    Code.CREDENTIALS_NOT_BOUND: (
        "The token is bound to a client certificate that the connection does not have, or should be bound.",
        "Connect with the certificate by which the token was fetched (RFC 8705).",
    ),
    Code.CREDENTIALS_REPLAYED: (
        "The operation takes a token once (`once`), and this one was used.",
        "Fetch a token for each such call.",
    ),
    Code.SIGNATURE_INCOMPLETE: (
        "The SigV4 header is malformed, or leaves out something that it must cover.",
        "Use an AWS SDK as it is; the message says what is missing.",
    ),
    Code.SIGNATURE_MISMATCH: (
        "The SigV4 signature is not that of the access key over what arrived.",
        "Check the secret access key, and proxies that rewrite the path, the host or the body.",
    ),
    Code.SIGNATURE_NOT_CURRENT: (
        "The request was signed too long ago, or in the future.",
        "Set the client's clock; `identities.sigv4.skew` is what it may differ.",
    ),
    Code.IDENTITY_PROVIDER_UNAVAILABLE: (
        "The provider's signing keys were never fetched, or not for longer than `keys_hold`.",
        "See `keepstone_key_fetches_total`, the log, and whether the gateway reaches the provider.",
    ),
    Code.STEP_UP_REQUIRED: (
        "A rule of `identities.step_up` wants a sign-in with a second factor, not older than `max_age`.",
        "Sign in again at the provider, with `max_age` or `acr_values`, and use the new token.",
    ),
    Code.ALLOWED: ("The call was admitted; the record names the rule.", "Nothing."),
    Code.MODEL_UNKNOWN: (
        "No entry of `models` fits the model id.",
        "Add the model to the policy, or mend the id.",
    ),
    Code.ROLE_UNKNOWN: (
        "The key has no role, or one that the policy does not define.",
        "Define the role, or create a key with another.",
    ),
    Code.NO_RULE_ALLOWS: (
        "No `allow` rule of the caller's roles fits the model and operation.",
        "`keepstone policy explain --role R --model M` shows the decision.",
    ),
    Code.DENIED_BY_RULE: (
        "A `deny` rule fits; it overrides every allowance.",
        "The message quotes `because`.",
    ),
    Code.OUT_OF_KEY_SCOPE: (
        "The key is narrowed to other models or operations.",
        "Create a key with a wider scope.",
    ),
    Code.DATA_CLASS_TOO_HIGH: (
        "The call's class of data is above the model's or the rule's `max_data_class`.",
        "Use a model that is cleared for this class.",
    ),
    Code.PURPOSE_REQUIRED: (
        "The policy asks every call for its purpose, and this one states none.",
        "Send one of the policy's `purposes` in `X-Keepstone-Purpose`.",
    ),
    Code.PURPOSE_UNKNOWN: ("The stated purpose is not one of the policy's.", "Correct it, or declare it."),
    Code.PURPOSE_NOT_ALLOWED: (
        "A rule would allow the call for other purposes only.",
        "State the true purpose, or ask the policy's owner.",
    ),
    Code.REGION_NOT_ALLOWED: (
        "Rules would allow the call only in regions where the model has no upstream.",
        "Use another model, or add an upstream in one of the regions.",
    ),
    Code.OUTSIDE_HOURS: ("A rule would allow the call at other times only.", "Wait, or change `times`."),
    Code.REQUEST_LIMIT_SPENT: (
        "A limit on requests is used up.",
        "Wait for `Retry-After`; SDKs try again by themselves.",
    ),
    Code.TOKEN_LIMIT_SPENT: (
        "A limit on tokens is used up, or the call's estimate does not fit in what is left.",
        "Wait for `Retry-After`, or ask for fewer tokens.",
    ),
    Code.COST_LIMIT_SPENT: (
        "A limit of money is used up, or what the call may cost does not fit in what is left.",
        "Wait for `Retry-After`, or raise `cost`.",
    ),
    Code.CONCURRENCY_LIMIT_SPENT: (
        "As many streams or calls are open as a limit allows.",
        "End one; SDKs try again by themselves.",
    ),
    Code.PRICE_UNKNOWN: (
        "A limit of money applies, and the model has no price in its currency.",
        "Add the model to `prices`, or set `rates.unpriced: allow` and accept that such calls cost nothing.",
    ),
    Code.RATES_UNAVAILABLE: (
        "A limit applies, and the store that counts for all gateways cannot be asked.",
        "Look at the store (docs/budgets.md); `rates.when_unavailable` names what happens meanwhile.",
    ),
    Code.REQUEST_MALFORMED: (
        "The body, or the header with the data class, is not what the protocol asks for.",
        "The message says where.",
    ),
    Code.REQUEST_TOO_LARGE: (
        "The body is above `gateway.max_request_bytes`.",
        "Send less, or raise the bound.",
    ),
    Code.REQUEST_TIMED_OUT: ("The body did not arrive within `gateway.body_timeout`.", "Send it again."),
    Code.OPERATION_NOT_SERVED: (
        "The operation exists at Bedrock and is not served: content would pass that nobody inspected.",
        "Use what the message names instead.",
    ),
    Code.OPERATION_UNKNOWN: (
        "The path is none of the six operations served.",
        "Check the endpoint and method.",
    ),
    Code.SUBJECT_MISSING: (
        "The policy keeps content by subject, and the call names no subject that it may name.",
        "Send the header or the metadata that `retention.subject` asks for.",
    ),
    Code.GUARDRAIL_UNKNOWN: (
        "The call names a guardrail or version that there is not, or another one than its upstream has.",
        "Use a name of `guardrails` and version `1` or `DRAFT`, or name none.",
    ),
    Code.CONTENT_NOT_INSPECTABLE: (
        "The call holds an image or a document whose text cannot be read here.",
        "Leave it out, or set the guardrail's `uninspectable: allow` and accept the gap.",
    ),
    Code.INPUT_BLOCKED: ("A guardrail blocks what was sent.", "The record names the types that were found."),
    Code.ANSWERED_FROM_CACHE: (
        "The policy's `cache` had the answer to the same question in the same context.",
        "Send `Cache-Control: no-store` to ask the model.",
    ),
    Code.TRANSFORM_IMPOSSIBLE: (
        "A rule of `transforms` fits the call and changes what only Converse has.",
        "Call Converse, or narrow the rule's `operations`.",
    ),
    Code.REQUEST_TRANSFORMED: ("A rule of `transforms` changed the request.", "Nothing."),
    Code.ANSWER_TRANSFORMED: ("A rule of `transforms` changed the answer.", "Nothing."),
    Code.INPUT_MASKED: ("A guardrail masked what was sent; the model saw the masks.", "Nothing."),
    Code.OUTPUT_BLOCKED: (
        "A guardrail blocks the model's answer.",
        "The record names the types that were found.",
    ),
    Code.OUTPUT_MASKED: ("A guardrail masked the model's answer.", "Nothing."),
    Code.OUTPUT_CLASS_TOO_HIGH: (
        "The answer holds data of a higher class than the caller may see.",
        "Mask it in the guardrail, or raise `max_data_class` in a rule of the role.",
    ),
    Code.TRANSFER_ALLOWED: (
        "The data may go where the upstreams compute; the record names the articles.",
        "Nothing.",
    ),
    Code.TRANSFER_REFUSED: (
        "The data may go to none of the upstreams; the message names each destination and article.",
        "`keepstone policy residency` shows them all; add an instrument, or an upstream elsewhere.",
    ),
    Code.CONSENT_MISSING: (
        "The purpose needs a consent, which is absent, withdrawn, expired or another one.",
        "State a receipt of the register in `X-Keepstone-Consent`.",
    ),
    Code.DESTINATION_UNKNOWN: (
        "Nobody can tell where the call would be computed, or what law applies, so it is refused.",
        "The message says what is missing: a `country`, a rule, the right to GetInferenceProfile.",
    ),
    Code.DESTINATION_PENDING: (
        "Where this inference profile computes is being asked for.",
        "Try again; SDKs do so by themselves.",
    ),
    Code.NO_UPSTREAM: ("The model has no upstream.", "Name one in the policy."),
    Code.OPERATION_UNSUPPORTED_BY_UPSTREAM: (
        "None of the model's upstreams serves this operation.",
        "An `openai` upstream serves Converse and ConverseStream only.",
    ),
    Code.UPSTREAM_REFUSED: (
        "The upstream refused the request, or the gateway's own credentials.",
        "Its own exception is passed on where there is one; check the upstream's credentials otherwise.",
    ),
    Code.UPSTREAM_UNAVAILABLE: (
        "No upstream could be reached, or all answered with a fault, after all attempts.",
        "See `keepstone_upstream_failures_total` and the upstream's health.",
    ),
    Code.UPSTREAM_THROTTLED: (
        "Every upstream that may be asked throttled the call.",
        "Wait for `Retry-After`; raise the quota there, or name another upstream (docs/routing.md).",
    ),
    Code.UPSTREAM_RESTS: (
        "Every upstream that may be asked failed too often lately, so none is asked until its rest is over.",
        "See `keepstone_breaker_state`; it recovers by itself when the upstream does.",
    ),
    Code.DEADLINE_EXCEEDED: (
        "The call was not answered within `gateway.deadline`, the model's own, or what the caller asked for.",
        "Ask for more time, or raise `deadline`.",
    ),
    Code.UPSTREAM_TIMED_OUT: (
        "The upstream was silent for longer than its `timeout`.",
        "Raise `timeout`, or try again.",
    ),
    Code.UPSTREAM_MALFORMED: ("The upstream's answer does not follow the protocol.", "Look at the upstream."),
    Code.LEDGER_UNAVAILABLE: (
        "The record could not be made durable, so the answer was not released.",
        "Free disk space, or check the disk and restart (docs/operations.md).",
    ),
    Code.LEDGER_UNCOPIED: (
        "More records than `record.store.most_behind` are not in the copy yet, and the policy says `refuse`.",
        "Look at the gateway's log: the bucket, the network or the credentials (docs/ledger.md).",
    ),
    Code.CONTENT_UNAVAILABLE: (
        "The policy keeps content, and it could not be sealed or stored, so the answer was not released.",
        "Look at the gateway's log: the disk or the keys; or set `retention.content_failure: proceed`.",
    ),
    Code.OVERLOADED: (
        "More calls than `gateway.max_in_flight`, or the key database cannot be read.",
        "Try again; raise the bound if the machine can take it.",
    ),
    Code.SHUTTING_DOWN: ("The gateway is stopping.", "Try again elsewhere."),
    Code.CALLER_LEFT: ("The caller closed the connection.", "Nothing."),
    Code.INTERNAL: ("A fault of the gateway itself.", "Please report it; the log has file and line."),
}
"""Meaning and remedy of each code; a test proves that none is missing."""

REFUSED_AT: tuple[tuple[str, tuple[Code, ...]], ...] = (
    (
        "identify",
        (
            Code.CREDENTIALS_MISSING,
            Code.CREDENTIALS_UNKNOWN,
            Code.CREDENTIALS_EXPIRED,
            Code.CREDENTIALS_REVOKED,
            Code.CREDENTIALS_NOT_YET_VALID,
            Code.CREDENTIALS_FOR_ANOTHER,
            Code.CREDENTIALS_INCOMPLETE,
            Code.CREDENTIALS_NOT_BOUND,
            Code.CREDENTIALS_REPLAYED,
            Code.SIGNATURE_INCOMPLETE,
            Code.SIGNATURE_MISMATCH,
            Code.SIGNATURE_NOT_CURRENT,
            Code.IDENTITY_PROVIDER_UNAVAILABLE,
        ),
    ),
    (
        "admit",
        (
            Code.ALLOWED,
            Code.OPERATION_UNKNOWN,
            Code.OPERATION_NOT_SERVED,
            Code.MODEL_UNKNOWN,
            Code.ROLE_UNKNOWN,
            Code.OUT_OF_KEY_SCOPE,
            Code.DENIED_BY_RULE,
            Code.DATA_CLASS_TOO_HIGH,
            Code.PURPOSE_REQUIRED,
            Code.PURPOSE_UNKNOWN,
            Code.PURPOSE_NOT_ALLOWED,
            Code.REGION_NOT_ALLOWED,
            Code.OUTSIDE_HOURS,
            Code.NO_RULE_ALLOWS,
            Code.STEP_UP_REQUIRED,
        ),
    ),
    (
        "parse",
        (
            Code.REQUEST_MALFORMED,
            Code.REQUEST_TOO_LARGE,
            Code.REQUEST_TIMED_OUT,
            Code.GUARDRAIL_UNKNOWN,
            Code.TRANSFORM_IMPOSSIBLE,
            Code.REQUEST_TRANSFORMED,
            Code.SUBJECT_MISSING,
        ),
    ),
    (
        "budget",
        (
            Code.REQUEST_LIMIT_SPENT,
            Code.TOKEN_LIMIT_SPENT,
            Code.COST_LIMIT_SPENT,
            Code.CONCURRENCY_LIMIT_SPENT,
            Code.PRICE_UNKNOWN,
            Code.RATES_UNAVAILABLE,
        ),
    ),
    (
        "inspect",
        (
            Code.CONTENT_NOT_INSPECTABLE,
            Code.INPUT_BLOCKED,
            Code.INPUT_MASKED,
            Code.OUTPUT_BLOCKED,
            Code.OUTPUT_MASKED,
            Code.ANSWER_TRANSFORMED,
            Code.OUTPUT_CLASS_TOO_HIGH,
        ),
    ),
    (
        "route",
        (
            Code.TRANSFER_ALLOWED,
            Code.CONSENT_MISSING,
            Code.TRANSFER_REFUSED,
            Code.DESTINATION_UNKNOWN,
            Code.DESTINATION_PENDING,
        ),
    ),
    (
        "forward",
        (
            Code.ANSWERED_FROM_CACHE,
            Code.NO_UPSTREAM,
            Code.OPERATION_UNSUPPORTED_BY_UPSTREAM,
            Code.UPSTREAM_REFUSED,
            Code.UPSTREAM_UNAVAILABLE,
            Code.UPSTREAM_THROTTLED,
            Code.UPSTREAM_RESTS,
            Code.DEADLINE_EXCEEDED,
            Code.UPSTREAM_TIMED_OUT,
            Code.UPSTREAM_MALFORMED,
        ),
    ),
    ("record", (Code.LEDGER_UNAVAILABLE, Code.CONTENT_UNAVAILABLE)),
    ("any", (Code.LEDGER_UNCOPIED, Code.OVERLOADED, Code.SHUTTING_DOWN, Code.CALLER_LEFT, Code.INTERNAL)),
)
"""The codes in the order in which a call can meet them; a test proves that each stands once."""
