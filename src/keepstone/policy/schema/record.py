"""What is written down, when an answer may leave, and how long things are kept."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration


class Content(StrEnum):
    """Whether texts of calls are kept: never, or encrypted under a key for each subject."""

    NONE = "none"
    ENCRYPTED = "encrypted"


class Subject(Closed, frozen=True, kw_only=True):
    """Whose the content of a call is: who may ask for its erasure."""

    source: Annotated[
        Literal["principal", "tenant", "header", "metadata"],
        Meta(description="the caller, its tenant, a request header, or a key of `requestMetadata`"),
    ] = "principal"
    name: Annotated[str, Meta(max_length=256, description="the header's or the key's name")] = ""
    missing: Annotated[
        Literal["refuse", "principal"],
        Meta(description="a call without it: refuse it, or take the caller for the subject"),
    ] = "refuse"


class KmsEnvelope(Closed, frozen=True, kw_only=True):
    """A key of AWS KMS that wraps the subjects' keys, instead of a key in a file."""

    kms_key_id: Annotated[
        str, Meta(min_length=1, max_length=2048, description="id or ARN of a symmetric key, or of its alias")
    ]
    former_key_ids: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=2048)], ...],
        Meta(max_length=8, description="keys that were used before: what they wrapped is still opened"),
    ] = ()
    region: Annotated[
        str, Meta(pattern=r"^([a-z]{2,4}(-[a-z]+)+-[0-9])?$", description="empty: that of the key's ARN")
    ] = ""
    endpoint_url: Annotated[
        str, Meta(pattern=r"^(https?://.*)?$", description="instead of the region's own, such as PrivateLink")
    ] = ""
    profile: Annotated[str, Meta(description="named profile of the AWS credential chain")] = ""
    cache: Annotated[
        Duration, Meta(description="`1s` to `1h`: how long a subject's key is used before KMS is asked again")
    ] = "5m"

    @property
    def place(self) -> str:
        """Return the region that is asked, empty when neither `region` nor an ARN names it."""
        parts = self.kms_key_id.split(":")
        return self.region or (parts[3] if len(parts) > 3 and parts[0] == "arn" else "")


class Retention(Closed, frozen=True, kw_only=True):
    """How long things are kept."""

    ledger_days: Annotated[int, Meta(ge=1, le=36500, description="entries older than this are pruned")] = 400
    content: Annotated[
        Content,
        Meta(
            description="`none`: only keyed hashes of prompts and answers; `encrypted`: they are kept, sealed"
        ),
    ] = Content.NONE
    content_days: Annotated[int, Meta(ge=1, le=36500, description="how long encrypted content is kept")] = 30
    content_failure: Annotated[
        Literal["refuse", "proceed"],
        Meta(
            description="content that cannot be kept: refuse the call, or let it go on and say so on record"
        ),
    ] = "refuse"
    subject: Subject = Subject()
    envelope: Annotated[
        KmsEnvelope | None,
        Meta(description="what wraps the subjects' keys; without it a key in `keys/content.key`"),
    ] = None


class Durability(StrEnum):
    """When an answer may leave: after its record is on disk, or at most a window earlier."""

    STRICT = "strict"
    BOUNDED = "bounded"


class _Bucket(Closed, frozen=True, kw_only=True):
    bucket: Annotated[
        str,
        Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="its name; it needs Object Lock"),
    ]
    prefix: Annotated[
        str, Meta(pattern=r"^([A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*)?$", description="under which objects lie")
    ] = ""
    region: Annotated[str, Meta(description="absent: that of the AWS environment")] = ""
    endpoint_url: Annotated[
        str, Meta(pattern=r"^(https?://.*)?$", description="instead of the region's own, such as PrivateLink")
    ] = ""
    lock_days: Annotated[
        Annotated[int, Meta(ge=1, le=36500)] | None,
        Meta(description="COMPLIANCE retention of each object; absent: `ledger_days`"),
    ] = None


class S3Store(_Bucket, frozen=True, kw_only=True, tag_field="kind", tag="s3"):
    """A bucket with Object Lock that keeps a copy of all that the ledger publishes."""

    interval: Annotated[Duration, Meta(description="how often what was published is copied")] = "30s"
    when_behind: Annotated[
        Literal["go-on", "refuse"],
        Meta(description="while more than `most_behind` records are not copied: go on, or refuse calls"),
    ] = "go-on"
    most_behind: Annotated[int, Meta(ge=1, le=1_000_000_000, description="for each log")] = 100_000


class S3Anchor(_Bucket, frozen=True, kw_only=True, tag_field="kind", tag="s3"):
    """A bucket with Object Lock, best in another account, that keeps signed checkpoints and views."""


class FolderAnchor(Closed, frozen=True, kw_only=True, tag_field="kind", tag="folder"):
    """A folder, best a share that others administer, that keeps signed checkpoints and views."""

    path: Annotated[str, Meta(min_length=1, description="the folder")]


class WitnessAnchor(Closed, frozen=True, kw_only=True, tag_field="kind", tag="witness"):
    """A witness (c2sp.org/tlog-witness) that cosigns each log's checkpoints."""

    url: Annotated[
        str, Meta(pattern=r"^https?://", description="submission prefix, to which `/add-checkpoint` is added")
    ]
    key: Annotated[
        str,
        Meta(
            pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$",
            description="the witness's verifier key, of the type Ed25519 cosignature",
        ),
    ]


Anchor = S3Anchor | FolderAnchor | WitnessAnchor


class Record(Closed, frozen=True, kw_only=True):
    """How the ledger is written, and where its copy lies."""

    client: Annotated[
        bool, Meta(description="records say from which address a call came, and by which program")
    ] = True
    durability: Annotated[
        Durability,
        Meta(
            description="`strict`: an answer leaves after its record is on disk; `bounded`: up to "
            "`window` earlier"
        ),
    ] = Durability.STRICT
    window: Annotated[Duration, Meta(description="`bounded`: the most that a crash can lose")] = "10ms"
    store: Annotated[
        S3Store | None,
        Meta(description="where a copy is kept; the log on this disk is what answers wait for"),
    ] = None
    anchors: Annotated[
        tuple[Anchor, ...], Meta(max_length=16, description="where signed checkpoints go besides")
    ] = ()
    anchor_every: Annotated[Duration, Meta(description="how often; once more when the gateway ends")] = "5m"
