"""Composite alarms: moto describes and tags them, but cannot put one; nor does it know what hangs on what."""

import re
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

_NAMED = re.compile(r"\b(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s()\"']+))\s*\)")


class CompositeAlarms(Extension):
    """Composite alarms of one region, kept in moto's CloudWatch."""

    service = "cloudwatch"

    @answers("PutCompositeAlarm")
    def put(self, asked: Asked) -> Told:
        children = alarms_in(asked["AlarmRule"])
        if not children and "TRUE" not in asked["AlarmRule"] and "FALSE" not in asked["AlarmRule"]:
            raise Refused("ValidationError", "Alarm rule has no alarm and no constant.")
        absent = sorted(children - set(self._alarms))
        if absent:
            message = f"Could not save the composite alarm as alarms {absent} in the alarm rule do not exist."
            raise Refused("ValidationError", message)
        alarm: Any = cloudwatch_backends[ACCOUNT][self.region].put_metric_alarm(
            name=asked["AlarmName"],
            description=asked.get("AlarmDescription", ""),
            rule=asked["AlarmRule"],
            actions_enabled=asked.get("ActionsEnabled", True),
            alarm_actions=asked.get("AlarmActions", []),
            ok_actions=asked.get("OKActions", []),
            insufficient_data_actions=asked.get("InsufficientDataActions", []),
            tags=asked.get("Tags", []),
            dimensions=[],
            **dict.fromkeys(_METRIC_ONLY),  # type: ignore[arg-type]
        )
        alarm.actions_suppressor = asked.get("ActionsSuppressor")
        alarm.actions_suppressor_wait_period = asked.get("ActionsSuppressorWaitPeriod")
        alarm.actions_suppressor_extension_period = asked.get("ActionsSuppressorExtensionPeriod")
        return {}

    @answers("DeleteAlarms")
    def delete(self, asked: Asked) -> Told:
        going = set(asked["AlarmNames"])
        for name, alarm in self._alarms.items():
            held = alarms_in(alarm.rule) & going if alarm.rule and name not in going else set()
            if held:
                message = f"Cannot delete {min(held)} as there are composite alarm(s) depending on it."
                raise Refused("ValidationError", message)
        cloudwatch_backends[ACCOUNT][self.region].delete_alarms(
            [name for name in going if name in self._alarms]
        )
        return {}

    @property
    def _alarms(self) -> dict[str, Any]:
        return dict(cloudwatch_backends[ACCOUNT][self.region].alarms)


def alarms_in(rule: str) -> set[str]:
    """The alarms that a rule names."""
    return {next(filter(None, found.groups())).rpartition(":alarm:")[2] for found in _NAMED.finditer(rule)}


_METRIC_ONLY = (
    "namespace",
    "metric_name",
    "comparison_operator",
    "evaluation_periods",
    "period",
    "threshold",
    "statistic",
)
