"""Servers that answer model calls, and the models that they serve."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, field

from keepstone.policy.schema.routing import Canary, CircuitBreaker, Quota, Retries, Shadow, Spread
from keepstone.policy.schema.words import Closed, DataClassName, Duration, ModelGlob, Name, RegionGlob


class SecretRef(Closed, frozen=True, kw_only=True):
    """Where a secret is to be found; the secret itself never stands in the document."""

    env: Annotated[
        Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None,
        Meta(description="the environment variable that holds it"),
    ] = None
    file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="the file that holds it"),
    ] = None


class _Upstream(Closed, frozen=True):
    connect_timeout: Annotated[
        Duration, Meta(description="a connection must stand by then, TLS included")
    ] = "3s"
    timeout: Annotated[Duration, Meta(description="longest silence while an answer is awaited")] = "120s"
    attempts: Annotated[int, Meta(ge=1, le=5, description="tries before the next upstream is used")] = 2
    max_connections: Annotated[
        int, Meta(ge=1, le=4096, description="kept at once, for each process; further calls wait")
    ] = 256
    retries: Retries = Retries()
    breaker: Annotated[
        CircuitBreaker | Literal["off"], Meta(description="`off`: a failing upstream is asked every time")
    ] = CircuitBreaker()
    max_data_class: Annotated[
        DataClassName | None,
        Meta(description="this server or region is cleared up to this class; absent: up to the model's"),
    ] = None


class AssumeRole(Closed, frozen=True, kw_only=True):
    """A role that the gateway's own AWS identity assumes by STS; renewed before it ends."""

    arn: Annotated[
        str,
        Meta(
            pattern=r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}$",
            description="the role that is assumed",
        ),
    ]
    external_id: Annotated[
        str, Meta(pattern=r"^([\w+=,.@:/-]{2,1224})?$", description="what the role's trust policy asks for")
    ] = ""
    session_name: Annotated[
        str, Meta(pattern=r"^[\w+=,.@-]{2,64}$", description="stands in CloudTrail beside the role")
    ] = "keepstone"
    duration: Annotated[
        Duration, Meta(description="`15m` to `12h`, at most what the role allows; `1h` for a chained role")
    ] = "1h"
    tags: Annotated[
        dict[
            Annotated[str, Meta(min_length=1, max_length=128)],
            Annotated[str, Meta(max_length=256)],
        ],
        Meta(max_length=50, description="session tags, for policies that look at `aws:PrincipalTag`"),
    ] = field(default_factory=dict)
    sts_endpoint_url: Annotated[
        str, Meta(pattern=r"^(https?://.*)?$", description="instead of the region's own, such as PrivateLink")
    ] = ""


class BedrockGuardrail(Closed, frozen=True, kw_only=True):
    """A guardrail of Bedrock's own, with which every call to the upstream is made beside the gateway's."""

    id: Annotated[
        str,
        Meta(
            pattern=r"^([a-z0-9]{1,64}|arn:[a-z-]+:bedrock:[a-z0-9-]+:[0-9]{12}:guardrail/[a-z0-9]+)$",
            description="its id, or its ARN; a call that names another one is refused",
        ),
    ]
    version: Annotated[str, Meta(pattern=r"^([1-9][0-9]{0,7}|DRAFT)$", description="which version of it")] = (
        "DRAFT"
    )


class BedrockUpstream(_Upstream, frozen=True, kw_only=True, tag_field="kind", tag="bedrock"):
    """Amazon Bedrock Runtime in one region, by SigV4 with the AWS credential chain or by a bearer token."""

    region: Annotated[
        str, Meta(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]$", description="the region that is called")
    ]
    bearer_token: Annotated[SecretRef | None, Meta(description="an API key of Bedrock; absent: SigV4")] = None
    profile: Annotated[str, Meta(description="named profile of the AWS credential chain")] = ""
    assume_role: Annotated[
        AssumeRole | None,
        Meta(description="a role that signs calls; absent: the gateway's own identity does"),
    ] = None
    guardrail: Annotated[
        BedrockGuardrail | None,
        Meta(
            description="a guardrail of Bedrock's own that goes with every call; absent: the gateway's alone"
        ),
    ] = None
    fips: Annotated[bool, Meta(description="use the region's FIPS 140 endpoint")] = False
    endpoint_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://",
            description="instead of the region's public endpoint, such as a VPC endpoint",
        ),
    ] = ""
    control_endpoint_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://",
            description="the same for the control plane, which is asked where inference profiles compute and "
            "which models there are (not the latter with an `endpoint_url` and without this one)",
        ),
    ] = ""
    ca_bundle: Annotated[str, Meta(description="file of extra certificate authorities, PEM")] = ""


class OpenAIUpstream(_Upstream, frozen=True, kw_only=True, tag_field="kind", tag="openai"):
    """A server that speaks OpenAI chat completions, such as vLLM, Ollama or llama.cpp."""

    base_url: Annotated[str, Meta(pattern=r"^https?://", description="up to and with `/v1`")]
    region: Annotated[
        str,
        Meta(
            pattern=r"^([a-z0-9][a-z0-9-]{0,63})?$",
            description="where it computes, for rules with `regions`; empty: not known",
        ),
    ] = ""
    api_key: Annotated[SecretRef | None, Meta(description="sent as bearer token; absent: none is sent")] = (
        None
    )
    country: Annotated[
        str,
        Meta(pattern=r"^([A-Z]{2})?$", description="where the server computes, ISO 3166; for `residency`"),
    ] = ""
    ca_bundle: Annotated[str, Meta(description="file of extra certificate authorities, PEM")] = ""


class DevBehaviour(StrEnum):
    """What the development model does."""

    ECHO = "echo"
    SCRIPTED = "scripted"
    SLOW = "slow"
    FAILING = "failing"


class DevUpstream(_Upstream, frozen=True, kw_only=True, tag_field="kind", tag="dev"):
    """`keepstone.dev`: a deterministic model inside the gateway, for development; it says what it is."""

    region: Annotated[
        str,
        Meta(
            pattern=r"^([a-z0-9][a-z0-9-]{0,63})?$",
            description="where it computes, for rules with `regions`; empty: not known",
        ),
    ] = ""
    behaviour: DevBehaviour = DevBehaviour.ECHO
    script: Annotated[
        dict[str, str], Meta(description="`scripted`: text to look for in the last user message -> answer")
    ] = field(default_factory=dict)
    delay: Annotated[
        Duration, Meta(description="`slow`: time before the answer, and between stream events")
    ] = "500ms"


Upstream = BedrockUpstream | OpenAIUpstream | DevUpstream


class Model(Closed, frozen=True, kw_only=True):
    """A model, or a family of models by pattern, that roles can be given."""

    id: ModelGlob
    upstreams: Annotated[tuple[Name, ...], Meta(min_length=1, description="tried in this order")]
    max_data_class: Annotated[DataClassName, Meta(description="the model is cleared up to this class")] = (
        "Internal"
    )
    regions: Annotated[
        tuple[RegionGlob, ...], Meta(description="the only regions in which its upstreams may be; empty: any")
    ] = ()
    guardrail: Annotated[Name, Meta(description="which guardrail inspects its calls")] = "default"
    upstream_ids: Annotated[
        dict[Name, str], Meta(description="upstream -> the model's id there, where it is another one")
    ] = field(default_factory=dict)
    deadline: Annotated[
        Duration | None, Meta(description="instead of `gateway.deadline`, for calls of this model")
    ] = None
    stream_deadline: Annotated[
        Duration | None, Meta(description="instead of `gateway.stream_deadline`, for calls of this model")
    ] = None
    spread: Annotated[
        Spread, Meta(description="`order`: the first that can; `quota`: the one with most left of its quota")
    ] = Spread.ORDER
    quotas: Annotated[
        dict[Name, Quota], Meta(description="upstream -> what it takes, for `spread: quota`")
    ] = field(default_factory=dict)
    hedge_after: Annotated[
        Duration | None,
        Meta(
            description="ask a second upstream, too, when the first does not begin to answer; both are billed"
        ),
    ] = None
    canary: Annotated[Canary | None, Meta(description="a new version that some principals get")] = None
    shadow: Annotated[Shadow | None, Meta(description="another model that gets a copy of some calls")] = None
