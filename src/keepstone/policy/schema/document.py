"""The policy document as types: `keepstone.yaml` decoded by msgspec, nothing compiled yet.

Every struct of this room is frozen and refuses unknown fields, so that a misspelt word is an error with a
position and never a rule that silently does not exist. Docstrings and `Meta` descriptions become the JSON
schema that editors show (`keepstone policy schema`).
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from keepstone.policy.schema.cache import Cache
from keepstone.policy.schema.data import Data, Purpose
from keepstone.policy.schema.deployment import Deployment
from keepstone.policy.schema.guardrails import Guardrail
from keepstone.policy.schema.identities import Identities
from keepstone.policy.schema.limits import Limit, Price, Rates
from keepstone.policy.schema.record import Record, Retention
from keepstone.policy.schema.residency import Residency
from keepstone.policy.schema.store import Store
from keepstone.policy.schema.transforms import Transform
from keepstone.policy.schema.upstreams import Model, Upstream
from keepstone.policy.schema.words import Closed, Duration, Name


class Organisation(Closed, frozen=True, kw_only=True):
    """Who runs this, and what for; stands in every report."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="who runs this")]
    use_case: Annotated[str, Meta(max_length=500, description="what models are used for")] = ""
    scoping_matrix: Annotated[
        int, Meta(ge=1, le=5, description="scope in the AWS Generative AI Security Scoping Matrix, 1 to 5")
    ] = 3
    jurisdictions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...],
        Meta(description="whose law applies: `EU`, ISO 3166 codes of countries (`NO`) and parts (`US-CA`)"),
    ] = ()


class GatewayRules(Closed, frozen=True, kw_only=True):
    """Bounds on what the gateway accepts."""

    max_request_bytes: Annotated[
        int, Meta(ge=1024, le=104_857_600, description="a longer body is refused")
    ] = 26_214_400
    max_in_flight: Annotated[
        int,
        Meta(ge=1, le=100_000, description="calls served at once by a process; more are refused"),
    ] = 1024
    body_timeout: Annotated[Duration, Meta(description="a request's body must have arrived by then")] = "30s"
    deadline: Annotated[
        Duration,
        Meta(
            description="an answer, or a stream's first event, is there by then, all attempts included; a "
            "caller may ask for less by `X-Keepstone-Deadline-Ms`"
        ),
    ] = "10m"
    stream_deadline: Annotated[Duration, Meta(description="a stream has ended by then")] = "1h"


class Policy(Closed, frozen=True, kw_only=True):
    """The whole document."""

    version: Annotated[Literal[1], Meta(description="the version of this form of document")]
    organisation: Organisation
    identities: Identities
    upstreams: Annotated[dict[Name, Upstream], Meta(min_length=1, description="where calls go, by name")]
    models: Annotated[
        tuple[Model, ...],
        Meta(
            min_length=1,
            description="what roles can be given; an exact id comes first, then the first pattern that fits",
        ),
    ]
    data: Data = Data()
    purposes: Annotated[
        dict[Name, Purpose],
        Meta(description="what calls may be for; without any, purposes are not looked at"),
    ] = field(default_factory=dict)
    guardrails: Annotated[
        dict[Name, Guardrail], Meta(description="what inspects calls, by name; models name theirs")
    ] = field(default_factory=lambda: {"default": Guardrail()})
    transforms: Annotated[tuple[Transform, ...], Meta(description="changes to calls, in this order")] = ()
    cache: Cache | None = None
    limits: Annotated[
        tuple[Limit, ...],
        Meta(description="how much may be used; a call counts against every limit that fits"),
    ] = ()
    rates: Rates = Rates()
    prices: Annotated[
        tuple[Price, ...], Meta(description="what tokens cost, for limits of money; before published prices")
    ] = ()
    residency: Residency | None = None
    retention: Retention = Retention()
    record: Record = Record()
    store: Store = Store()
    gateway: GatewayRules = GatewayRules()
    deployment: Annotated[
        Deployment | None, Meta(description="where `keepstone deploy` builds the environment, and how")
    ] = None
