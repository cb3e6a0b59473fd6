"""Log groups, who may write to them, trails, flow logs."""

import json
from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import given, pick, rows
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value


def _log_group(raw: Raw, world: World) -> Iterator[Resource]:
    mask = world.satellite("aws_cloudwatch_log_data_protection_policy", "log_group_name", raw)
    yield Resource(
        Kind.LOG_GROUP,
        raw.address,
        {
            "key": given(raw.values, "kms_key_id"),
            "retention": pick(raw.values, "retention_in_days"),
            "masked": _masked(pick(mask, "policy_document")),
        },
        raw.names(),
    )


def _masked(text: Value) -> Value:
    """Return whether a data-protection policy takes personal data out of what readers see."""
    if text is None:
        return False
    if isinstance(text, Unknown):
        return text
    try:
        statements = json.loads(text)["Statement"]
        return any("Deidentify" in each["Operation"] for each in statements)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Unknown("the data-protection policy cannot be read")


def _log_policy(raw: Raw, world: World) -> Iterator[Resource]:
    yield Resource(Kind.LOG_POLICY, raw.address, {"policy": world.policy(raw.values, "policy_document")})


def _trail(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    logging = pick(tree, "enable_logging")
    management, types = _selected(rows(tree, "advanced_event_selector"), rows(tree, "event_selector"))
    yield Resource(
        Kind.TRAIL,
        raw.address,
        {
            "logging": True if logging is None else logging,
            "multi_region": pick(tree, "is_multi_region_trail") or False,
            "validated": pick(tree, "enable_log_file_validation") or False,
            "key": given(tree, "kms_key_id"),
            "log_group": given(tree, "cloud_watch_logs_group_arn"),
            "management": management,
            "data_types": types,
        },
        raw.names(),
    )


def _selected(advanced: Value, simple: Value) -> tuple[Value, Value]:
    """Return whether management events are recorded, and of which resource types the data events are."""
    for each in (advanced, simple):
        if isinstance(each, Unknown):
            return each, each
    if not advanced and not simple:
        return True, ()
    management = any(each.get("include_management_events") is not False for each in simple)
    types = [
        name for each in simple for block in rows(each, "data_resource") for name in (pick(block, "type"),)
    ]
    for each in advanced:
        fields = {pick(block, "field"): rows(block, "equals") for block in rows(each, "field_selector")}
        if "Management" in fields.get("eventCategory", ()):
            management = True
        types += fields.get("resources.type", ())
    return management, tuple(types)


def _flow_log(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(
        Kind.FLOW_LOG,
        raw.address,
        {"traffic": pick(raw.values, "traffic_type"), "destination": pick(raw.values, "log_destination")},
    )


MAPPERS = {
    "aws_cloudtrail": _trail,
    "aws_cloudwatch_log_group": _log_group,
    "aws_cloudwatch_log_resource_policy": _log_policy,
    "aws_flow_log": _flow_log,
}
SATELLITES = ("aws_cloudwatch_log_data_protection_policy",)
