"""Alarms, topics, events, budgets and monitors of spend."""

import json
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import count, defaulted, given, pick, rows
from keepstone.posture.readers.world import Raw, World, together
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value


def _alarm(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    queries = rows(tree, "metric_query")
    if isinstance(queries, Unknown):
        metrics: Value = queries
    else:
        nested = [pick(each, "metric") for each in queries]
        metrics = tuple(_metric(each) for each in (tree, *nested) if pick(each, "metric_name") is not None)
    yield Resource(
        Kind.ALARM,
        raw.address,
        {
            "metrics": metrics,
            "actions": given(tree, "alarm_actions"),
            "enabled": defaulted(tree, "actions_enabled", default=True),
        },
        raw.names(),
    )


def _metric(tree: Value) -> Value:
    dimensions = pick(tree, "dimensions")
    return MappingProxyType(
        {
            "namespace": pick(tree, "namespace"),
            "name": pick(tree, "metric_name"),
            "dimensions": dimensions if isinstance(dimensions, Unknown) else tuple(sorted(dimensions or ())),
        }
    )


def _composite(raw: Raw, _: World) -> Iterator[Resource]:
    yield Resource(
        Kind.COMPOSITE_ALARM,
        raw.address,
        {
            "actions": given(raw.values, "alarm_actions"),
            "enabled": defaulted(raw.values, "actions_enabled", default=True),
        },
        raw.names(),
    )


def _topic(raw: Raw, world: World) -> Iterator[Resource]:
    """The addresses of subscribers are not looked at, only how many there are."""
    documents = world.documents("aws_sns_topic_policy", "arn", raw)
    yield Resource(
        Kind.TOPIC,
        raw.address,
        {
            "key": given(raw.values, "kms_master_key_id"),
            "policy": together(documents),
            "documents": documents,
            "subscribers": count(world.satellites("aws_sns_topic_subscription", "topic_arn", raw)),
        },
        raw.names(),
    )


def _event_rule(raw: Raw, world: World) -> Iterator[Resource]:
    pattern = _pattern(pick(raw.values, "event_pattern"))
    state = given(raw.values, "state")
    yield Resource(
        Kind.EVENT_RULE,
        raw.address,
        {
            "sources": _texts(pattern, "source"),
            "detail_types": _texts(pattern, "detail-type"),
            "event_names": _texts(pattern, "detail", "eventName"),
            "statuses": _texts(pattern, "detail", "status"),
            "targets": count(world.satellites("aws_cloudwatch_event_target", "rule", raw)),
            "enabled": state if isinstance(state, Unknown) else state != "DISABLED",
        },
        raw.names(),
    )


def _pattern(text: Value) -> Value:
    if text is None or isinstance(text, Unknown):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Unknown("the event pattern cannot be read")


def _texts(pattern: Value, *path: str) -> Value:
    """Return the plain texts that a field is matched with; what is matched otherwise is not known."""
    found: Any = pattern
    for name in path:
        if isinstance(found, Unknown):
            return found
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        return ()
    if isinstance(found, Unknown):
        return found
    each = found if isinstance(found, list) else [found]
    return tuple(one if isinstance(one, str) else Unknown("matched by a pattern") for one in each)


def _budget(raw: Raw, _: World) -> Iterator[Resource]:
    notes = rows(raw.values, "notification")
    yield Resource(
        Kind.BUDGET,
        raw.address,
        {
            "notifications": notes
            if isinstance(notes, Unknown)
            else tuple(
                _heard(pick(each, "subscriber_email_addresses"), pick(each, "subscriber_sns_topic_arns"))
                for each in notes
            ),
        },
    )


def _heard(mails: Value, topics: Value) -> Value:
    """Return whether anybody hears a notification."""
    if any(isinstance(each, tuple) and each for each in (mails, topics)):
        return True
    return next((each for each in (mails, topics) if isinstance(each, Unknown)), False)


def _spend(raw: Raw, world: World) -> Iterator[Resource]:
    found: Value = 0
    for each in world.raws:
        if each.type == "aws_ce_anomaly_subscription":
            listed = each.values.get("monitor_arn_list")
            heard = count(rows(each.values, "subscriber"))
            if _names(listed, raw):
                found = heard
            elif isinstance(listed, Unknown) or any(isinstance(one, Unknown) for one in listed or ()):
                found = found or Unknown(f"`{each.address}` may be about it")
    yield Resource(Kind.SPEND_MONITOR, raw.address, {"subscribers": found}, raw.names())


def _names(listed: Value, raw: Raw) -> bool:
    items = listed if isinstance(listed, tuple) else (listed,)
    return any(
        each.sources == (raw.address,) if isinstance(each, Unknown) else each in raw.names() for each in items
    )


MAPPERS = {
    "aws_budgets_budget": _budget,
    "aws_ce_anomaly_monitor": _spend,
    "aws_cloudwatch_composite_alarm": _composite,
    "aws_cloudwatch_event_rule": _event_rule,
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_sns_topic": _topic,
}
SATELLITES = (
    "aws_ce_anomaly_subscription",
    "aws_cloudwatch_event_target",
    "aws_sns_topic_policy",
    "aws_sns_topic_subscription",
)
