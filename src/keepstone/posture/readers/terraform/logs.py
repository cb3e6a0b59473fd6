"""Log groups, who may write to them, trails, flow logs."""

import json
from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import defaulted, given, pick, rows
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import NotKnown, Unknown, Value, known, some


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
    management, types = _selected(rows(tree, "advanced_event_selector"), rows(tree, "event_selector"))
    yield Resource(
        Kind.TRAIL,
        raw.address,
        {
            "logging": defaulted(tree, "enable_logging", default=True),
            "multi_region": defaulted(tree, "is_multi_region_trail", default=False),
            "validated": defaulted(tree, "enable_log_file_validation", default=False),
            "key": given(tree, "kms_key_id"),
            "log_group": given(tree, "cloud_watch_logs_group_arn"),
            "management": management,
            "data_types": types,
        },
        raw.names(),
    )


def _selected(advanced: Value, simple: Value) -> tuple[Value, Value]:
    """Return whether management events are recorded, and of which resource types the data events are."""
    management: Value
    try:
        if not advanced and not simple:
            return True, ()
        management = some(simple, _manages) or some(advanced, _manages_all)
    except NotKnown as error:
        management = Unknown(str(error))
    return management, _data_types(advanced, simple)


def _manages(selector: Value) -> bool:
    """Say whether a simple selector takes all management events, reads and writes."""
    included = known(pick(selector, "include_management_events")) is not False
    return included and known(given(selector, "read_write_type")) in ("All", None)


def _manages_all(selector: Value) -> bool:
    """Say whether an advanced selector takes all management events: each further field leaves some out.

    What leaves out none of Bedrock, as KMS's events are left out, is all here.
    """
    if "Management" not in _field(selector, "eventCategory"):
        return False
    return not some(rows(selector, "field_selector"), _leaves_bedrock_out)


def _leaves_bedrock_out(block: Value) -> bool:
    field, excluded = known(pick(block, "field")), rows(block, "not_equals")
    if field == "eventCategory":
        return False
    if field == "eventSource" and excluded and not rows(block, "equals"):
        return some(excluded, lambda each: known(each).startswith("bedrock"))
    return True


def _field(selector: Value, name: str) -> Value:
    """Return what a field of an advanced selector has to equal."""
    for block in rows(selector, "field_selector"):
        if pick(block, "field") == name:
            return rows(block, "equals")
    return ()


def _data_types(advanced: Value, simple: Value) -> Value:
    try:
        found = [pick(block, "type") for each in simple for block in rows(each, "data_resource")]
        return (*found, *(name for each in advanced for name in _field(each, "resources.type")))
    except NotKnown as error:
        return Unknown(str(error))


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
