"""A record as an OCSF 1.5 event: API Activity (6003). https://schema.ocsf.io/1.5.0/classes/api_activity

What OCSF has no place for stands in `unmapped`. A guardrail's intervention is a failure with status 200.
"""

from typing import Any

import msgspec

from keepstone import __version__
from keepstone.ledger.export.source import Entry
from keepstone.ledger.record import ExchangeRecord

Event = dict[str, Any]

_CLASS, _CATEGORY = 6003, 6
_READ, _OTHER = 2, 99
_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL, _LOW = 1, 2
_MAPPED = ("id", "time", "operation", "principal", "status", "reasons", "model")


def event_of(entry: Entry) -> Event:
    """Return the event; its `metadata.uid` is the same in every export."""
    record = entry.record
    refused = record.outcome == "refuse"
    activity = _OTHER if record.kind == "event" else _READ
    event: Event = {
        "class_uid": _CLASS,
        "class_name": "API Activity",
        "category_uid": _CATEGORY,
        "category_name": "Application Activity",
        "activity_id": activity,
        "activity_name": "Read" if activity == _READ else record.event,
        "type_uid": _CLASS * 100 + activity,
        "time": int(entry.when.timestamp() * 1000),
        "severity_id": _LOW if refused else _INFORMATIONAL,
        "severity": "Low" if refused else "Informational",
        "status_id": _FAILURE if refused else _SUCCESS,
        "status": "Failure" if refused else "Success",
        "metadata": {
            "version": "1.5.0",
            "uid": entry.uid,
            "product": {"name": "Keepstone", "vendor_name": "Keepstone", "version": __version__},
            "log_name": entry.origin,
            "sequence": entry.index,
        },
        "actor": _actor(record),
        "api": _api(record),
        "src_endpoint": {"ip": record.client.address} if record.client.address else {"svc_name": "unknown"},
        "unmapped": {k: v for k, v in msgspec.to_builtins(record).items() if k not in _MAPPED},
    }
    if record.reasons:
        event["status_code"] = record.reasons[0].code
        event["status_detail"] = record.reasons[0].message
    if record.model:
        event["resources"] = [{"uid": record.model, "type": "AWS::Bedrock::Model"}]
    return event


def _actor(record: ExchangeRecord) -> dict[str, Any]:
    caller = record.principal
    if not caller.id:
        return {"user": {"name": "unknown", "type_id": 0, "type": "Unknown"}}
    user: dict[str, Any] = {"name": caller.id, "uid": f"{caller.kind}:{caller.id}", "type_id": 99}
    user["type"] = caller.kind
    if caller.key_id:
        user["credential_uid"] = caller.key_id
    if caller.roles:
        user["groups"] = [{"name": role} for role in caller.roles]
    return {"user": user}


def _api(record: ExchangeRecord) -> dict[str, Any]:
    api: dict[str, Any] = {
        "operation": record.operation or record.event or "unknown",
        "service": {"name": "bedrock.amazonaws.com" if record.kind != "event" else "keepstone"},
        "request": {"uid": record.id},
    }
    if record.status:
        api["response"] = {"code": record.status}
    return api
