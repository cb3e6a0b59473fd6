"""A record as a CloudTrail event, version 1.11.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html

The event says what was called, as CloudTrail would have; `additionalEventData` says who recorded it, where
it stands in the Merkle log, and what was decided. A caller of the gateway is no IAM identity, so its type is
`Unknown`. Prompts and answers are in neither.
"""

from typing import Any

import msgspec

from keepstone import __version__
from keepstone.ledger.export.source import Entry
from keepstone.ledger.record import ExchangeRecord

Event = dict[str, Any]

BEDROCK = "bedrock.amazonaws.com"
OURS = "gateway.keepstone"


def event_of(entry: Entry, *, account: str, region: str) -> Event:
    """Return the event; `account` and `region` are those that the gateway serves for."""
    record = entry.record
    is_call = record.kind != "event"
    event: Event = {
        "eventVersion": "1.11",
        "userIdentity": _identity(record),
        "eventTime": entry.when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": BEDROCK if is_call else OURS,
        "eventName": record.operation or "Unknown" if is_call else record.event,
        "awsRegion": region,
        "sourceIPAddress": record.client.address or OURS,
        "userAgent": record.client.agent or f"keepstone/{__version__}",
        "requestParameters": {"modelId": record.model} if record.model else None,
        "responseElements": None,
        "additionalEventData": _additional(entry),
        "requestID": record.id,
        "eventID": entry.uid,
        "readOnly": is_call,
        "eventType": "AwsApiCall" if is_call else "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }
    if record.status >= 400 and record.reasons:
        event["errorCode"] = record.reasons[0].code
        event["errorMessage"] = record.reasons[0].message
    return event


def _identity(record: ExchangeRecord) -> dict[str, Any]:
    caller = record.principal
    if record.kind == "event":
        return {"type": "AWSService", "invokedBy": OURS}
    if not caller.id:
        return {"type": "Unknown"}
    return {
        "type": "Unknown",
        "principalId": f"{caller.kind}:{caller.id}",
        "userName": caller.id,
        "accessKeyId": caller.key_id,
    }


def _additional(entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.to_builtins(entry.record)
    for known in ("id", "time", "operation", "model"):
        record.pop(known, None)
    return {"recordedBy": "keepstone", "log": entry.origin, "leafIndex": entry.index, "record": record}
