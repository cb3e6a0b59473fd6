"""What stands in the log about one model call, or about the gateway itself, and its one byte form.

A record holds types, counts, hashes and reasons; never a prompt, an answer or a found value. The byte form is
JSON with the fields in the order of the types, defaults left out and no floating-point number, so that equal
records are equal bytes.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from keepstone.core.errors import LedgerError

VERSION = 1
MAX_RECORD = 0xFFFF  # c2sp.org/tlog-tiles: an entry's length is a uint16

Kind = Literal["exchange", "opened", "closed", "event"]


class Caller(Struct, frozen=True, omit_defaults=True):
    """Who called: the identified principal, empty when identification failed."""

    id: str = ""
    kind: str = ""
    roles: tuple[str, ...] = ()
    key_id: str = ""
    tenant: str = ""


class ReasonNote(Struct, frozen=True, omit_defaults=True):
    """One ground of the decision; `path` is the place in the policy document."""

    code: str
    message: str = ""
    path: str = ""


class FindingNote(Struct, frozen=True, omit_defaults=True):
    """How often a detector found a type, where, and what was done; never what it found."""

    where: Literal["input", "output"]
    type: str
    action: str
    count: int = 1
    detector: str = ""


class Tokens(Struct, frozen=True, omit_defaults=True):
    """Tokens as the upstream counted them; `estimated` when it did not say."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    estimated: bool = False


class Cost(Struct, frozen=True, omit_defaults=True):
    """What the tokens cost by the price of that day, in billionths of the currency; empty without a price."""

    billionths: int = 0
    currency: str = ""


class Latency(Struct, frozen=True, omit_defaults=True):
    """Microseconds: the whole call, waiting for the model, inspecting."""

    total: int = 0
    upstream: int = 0
    inspect: int = 0


class UpstreamNote(Struct, frozen=True, omit_defaults=True):
    """Which upstream answered, under which model id, after how many attempts.

    `arm` says which version of a model on trial that was; `hedged` is the upstream that was asked, too, and
    `hedged_tokens` an estimate of what it has read: it was given up before it could say.
    """

    name: str = ""
    model: str = ""
    attempts: int = 0
    arm: str = ""
    hedged: str = ""
    hedged_tokens: int = 0


class Content(Struct, frozen=True, omit_defaults=True):
    """Keyed hashes of the bodies as the caller sent and received them (`LedgerKey.commit`)."""

    request: str = ""
    response: str = ""


class Sealed(Struct, frozen=True, omit_defaults=True):
    """Content that is kept encrypted: whose (a keyed hash), in which segment, and the hash of each frame.

    `failure` says why content that the policy keeps was not kept, where the policy lets the call go on.
    """

    subject: str = ""
    segment: str = ""
    request: str = ""
    response: str = ""
    failure: str = ""


NOTHING_SEALED = Sealed()
"""What stands in a record without kept content: the very object, so that it is left out of the bytes."""


class Client(Struct, frozen=True, omit_defaults=True):
    """Where a call came from: the address that connected, and what its program calls itself."""

    address: str = ""
    agent: str = ""


NO_CLIENT = Client()


class Sizes(Struct, frozen=True, omit_defaults=True):
    """Lengths of the bodies in bytes."""

    request: int = 0
    response: int = 0


class ExchangeRecord(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record: a call (`exchange`), a stream's start and end (`opened`, `closed`), or an `event`.

    `id` is the request id that the caller saw (`x-amzn-requestid`); `opened` and `closed` of one stream share
    it. `time` is RFC 3339 in UTC with microseconds. `status` is the HTTP status. `class_from` says what the
    data class comes from: `default`, `header`, `principal` or `content`; `stated_class` is what it was before
    the content raised it. `protocol` is the dialect that the caller spoke, such as `openai.chat`; empty for
    Bedrock's own.
    """

    v: Literal[1] = msgspec.field(default=1)
    kind: Kind
    id: str
    time: str
    principal: Caller = Caller()
    operation: str = ""
    model: str = ""
    data_class: str = ""
    class_from: str = ""
    stated_class: str = ""
    purpose: str = ""
    policy: str = ""
    outcome: Literal["", "allow", "transform", "refuse"] = ""
    stage: str = ""
    reasons: tuple[ReasonNote, ...] = ()
    findings: tuple[FindingNote, ...] = ()
    tokens: Tokens = Tokens()
    cost: Cost = Cost()
    status: int = 0
    latency_us: Latency = Latency()
    upstream: UpstreamNote = UpstreamNote()
    content: Content = Content()
    sealed: Sealed = NOTHING_SEALED
    bytes: Sizes = Sizes()
    client: Client = NO_CLIENT
    protocol: str = ""
    event: str = ""
    detail: dict[str, str] = {}


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(ExchangeRecord)


def encode(record: ExchangeRecord) -> bytes:
    """Return the record's bytes, the version first."""
    return b'{"v":1,' + _encoder.encode(record)[1:]


def decode(data: bytes) -> ExchangeRecord:
    """Read a record; raise `LedgerError` for bytes that are not one, or of a later version."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LedgerError(
            "the entry is not a record of version `1`",
            hint="it was written by a later Keepstone, or the log holds other entries",
        ) from error
