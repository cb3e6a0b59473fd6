"""Alarms: that the right things are watched, by metrics that exist, and somebody is told."""

from collections.abc import Iterable, Mapping

from keepstone.catalog.bedrock_metrics import bedrock_metrics
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Account, Reading
from keepstone.posture.registry import account_check, check
from keepstone.posture.values import Value, known, some
from keepstone.posture.verdict import Opinion, failed, not_applicable, passed, require

_ERRORS = ("InvocationClientErrors", "InvocationServerErrors", "InvocationThrottles")
_DELIVERY = {
    "cloudwatch": "ModelInvocationLogsCloudWatchDeliveryFailure",
    "s3": "ModelInvocationLogsS3DeliveryFailure",
    "large": "ModelInvocationLargeDataS3DeliveryFailure",
}
_CHANGES = ("DeleteGuardrail", "UpdateGuardrail", "DeleteModelInvocationLoggingConfiguration")
_JOBS = "Model Customization Job State Change"


def _watched(account: Account, namespace: str) -> tuple[str, ...]:
    """Return the metrics of a namespace that an alarm is on."""
    return tuple(
        known(metric["name"])
        for alarm in account.all(Kind.ALARM)
        for metric in alarm["metrics"]
        if metric["namespace"] == namespace
    )


def _missing(account: Account, namespace: str, wanted: Iterable[str]) -> Opinion:
    watched = _watched(account, namespace)
    missing = [each for each in wanted if each not in watched]
    if not missing:
        return passed()
    return account.lacks(f"an alarm on {', '.join(f'`{each}`' for each in missing)} is not")


@account_check("KS-ALM-001", where=[Kind.ALARM, Kind.INVOCATION_LOGGING, Kind.AGENT])
def errors_of_the_runtime_are_watched(account: Account) -> Opinion:
    """Errors and throttled calls of models raise an alarm."""
    return _missing(account, "AWS/Bedrock", _ERRORS)


@account_check("KS-ALM-002", where=[Kind.INVOCATION_LOGGING])
def failed_delivery_of_logs_is_watched(account: Account) -> Opinion:
    """Logs that were not delivered raise an alarm."""
    configured = account.all(Kind.INVOCATION_LOGGING)
    used = {name for each in configured for name in each["destinations"]}
    wanted = [metric for destination, metric in _DELIVERY.items() if destination in used]
    return _missing(account, "AWS/Bedrock", wanted)


@account_check("KS-ALM-003", where=[Kind.GUARDRAIL])
def guardrail_interventions_are_watched(account: Account) -> Opinion:
    """Interventions of guardrails raise an alarm."""
    return _missing(account, "AWS/Bedrock/Guardrails", ["InvocationsIntervened"])


@check("KS-ALM-004", of=Kind.ALARM)
def alarm_tells_somebody(alarm: Reading) -> Opinion:
    """The alarm has an action, and actions are on."""
    return _tells(alarm)


@check("KS-ALM-005", of=Kind.COMPOSITE_ALARM)
def composite_alarm_tells_somebody(alarm: Reading) -> Opinion:
    """The composite alarm has an action, and actions are on."""
    return _tells(alarm)


def _tells(alarm: Reading) -> Opinion:
    if not alarm["enabled"]:
        return failed("its actions are switched off")
    return require(alarm.is_set("actions"), "it has no action: it goes off and nobody hears it")


@check("KS-ALM-006", of=Kind.ALARM)
def alarm_is_on_a_metric_that_exists(alarm: Reading) -> Opinion:
    """A metric of Bedrock that an alarm is on is one that Bedrock publishes, with dimensions that it has."""
    ours = [each for each in alarm["metrics"] if known(each["namespace"]) in bedrock_metrics()]
    if not ours:
        return not_applicable("it is on no metric of Bedrock")
    for metric in ours:
        reason = _unreal(metric)
        if reason:
            return failed(reason)
    return passed()


def _unreal(metric: Mapping[str, Value]) -> str:
    known_metrics = bedrock_metrics()[metric["namespace"]]
    name = known(metric["name"])
    if name not in known_metrics.names:
        return f"Bedrock publishes no `{name}` in `{metric['namespace']}`: the alarm can never go off"
    dimensions = known(metric["dimensions"])
    if known_metrics.needs_dimensions and not dimensions:
        return f"`{name}` has no data without dimensions: the alarm can never go off"
    return ""


@account_check("KS-ALM-007", where=[Kind.CUSTOM_MODEL, Kind.EVENT_RULE])
def failed_customisation_jobs_are_told(account: Account) -> Opinion:
    """An event rule with a target tells of customisation jobs that failed."""
    rules = account.all(Kind.EVENT_RULE)
    if some(rules, lambda rule: _heard(rule) and _JOBS in rule["detail_types"]):
        return passed()
    return account.lacks("a rule on failed customisation jobs is not")


@account_check("KS-ALM-008", where=[Kind.GUARDRAIL, Kind.INVOCATION_LOGGING])
def changes_of_protection_are_told(account: Account) -> Opinion:
    """An event rule tells when a guardrail is changed or deleted, or logging switched off."""
    rules = account.all(Kind.EVENT_RULE)
    missing = [name for name in _CHANGES if not _told(rules, name)]
    if not missing:
        return passed()
    return account.lacks(f"a rule on {', '.join(f'`{each}`' for each in missing)} is not")


def _told(rules: Iterable[Reading], event: str) -> bool:
    return some(rules, lambda rule: _heard(rule) and event in rule["event_names"])


def _heard(rule: Reading) -> bool:
    return bool(rule["enabled"]) and rule["targets"] > 0 and "aws.bedrock" in rule["sources"]
