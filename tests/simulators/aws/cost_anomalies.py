"""Cost Explorer's anomaly monitors and who is told of anomalies, which moto lacks; no anomaly ever occurs."""

import uuid
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from tests.simulators.aws.operations import (
    ACCOUNT,
    Asked,
    NotOursError,
    Refused,
    Tagged,
    Told,
    answers,
)


class CostAnomalies(Tagged):
    """The account's monitors and subscriptions."""

    service = "ce"
    members = ("ResourceTags", "ResourceTagKeys")
    pair = ("Key", "Value")

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self._monitors: dict[str, dict[str, Any]] = {}
        self._subscriptions: dict[str, dict[str, Any]] = {}

    @answers("CreateAnomalyMonitor")
    def create_monitor(self, asked: Asked) -> Told:
        monitor = deepcopy(asked["AnomalyMonitor"])
        wanted = "MonitorSpecification" if monitor["MonitorType"] == "CUSTOM" else "MonitorDimension"
        if wanted not in monitor:
            raise _invalid(f"A {monitor['MonitorType']} monitor needs its {wanted}.")
        arn = f"arn:aws:ce::{ACCOUNT}:anomalymonitor/{uuid.uuid4()}"
        now = _now()
        self._monitors[arn] = monitor | {"MonitorArn": arn, "CreationDate": now, "LastUpdatedDate": now}
        self._tags.add(arn, asked.get("ResourceTags", []))
        return {"MonitorArn": arn}

    @answers("GetAnomalyMonitors")
    def monitors(self, asked: Asked) -> Told:
        wanted = asked.get("MonitorArnList") or list(self._monitors)
        return {"AnomalyMonitors": [deepcopy(self._monitor(arn)) for arn in wanted]}

    @answers("UpdateAnomalyMonitor")
    def update_monitor(self, asked: Asked) -> Told:
        self._monitor(asked["MonitorArn"]).update(asked, LastUpdatedDate=_now())
        return {"MonitorArn": asked["MonitorArn"]}

    @answers("DeleteAnomalyMonitor")
    def delete_monitor(self, asked: Asked) -> Told:
        self._monitor(asked["MonitorArn"])
        del self._monitors[asked["MonitorArn"]]
        self._tags.forget(asked["MonitorArn"])
        return {}

    @answers("CreateAnomalySubscription")
    def create_subscription(self, asked: Asked) -> Told:
        subscription = deepcopy(asked["AnomalySubscription"])
        self._check(subscription)
        arn = f"arn:aws:ce::{ACCOUNT}:anomalysubscription/{uuid.uuid4()}"
        for each in subscription["Subscribers"]:
            each.setdefault("Status", "CONFIRMED")
        self._subscriptions[arn] = subscription | {"SubscriptionArn": arn, "AccountId": ACCOUNT}
        self._tags.add(arn, asked.get("ResourceTags", []))
        return {"SubscriptionArn": arn}

    @answers("GetAnomalySubscriptions")
    def subscriptions(self, asked: Asked) -> Told:
        # One that is gone is left out, not refused: the provider's own acceptance tests rely on that.
        wanted = asked.get("SubscriptionArnList") or list(self._subscriptions)
        found = [deepcopy(self._subscriptions[arn]) for arn in wanted if arn in self._subscriptions]
        about = asked.get("MonitorArn")
        return {"AnomalySubscriptions": [each for each in found if about in (None, *each["MonitorArnList"])]}

    @answers("UpdateAnomalySubscription")
    def update_subscription(self, asked: Asked) -> Told:
        kept = self._subscription(asked["SubscriptionArn"])
        self._check(kept | asked)
        kept.update(deepcopy(asked))
        return {"SubscriptionArn": asked["SubscriptionArn"]}

    @answers("DeleteAnomalySubscription")
    def delete_subscription(self, asked: Asked) -> Told:
        self._subscription(asked["SubscriptionArn"])
        del self._subscriptions[asked["SubscriptionArn"]]
        self._tags.forget(asked["SubscriptionArn"])
        return {}

    def _monitor(self, arn: str) -> dict[str, Any]:
        if arn not in self._monitors:
            raise Refused("UnknownMonitorException", f"There is no monitor {arn}.")
        return self._monitors[arn]

    def _subscription(self, arn: str) -> dict[str, Any]:
        if arn not in self._subscriptions:
            raise Refused("UnknownSubscriptionException", f"There is no subscription {arn}.")
        return self._subscriptions[arn]

    def _check(self, subscription: dict[str, Any]) -> None:
        for arn in subscription["MonitorArnList"]:
            self._monitor(arn)
        kinds = {each["Type"] for each in subscription["Subscribers"]}
        wanted = "SNS" if subscription["Frequency"] == "IMMEDIATE" else "EMAIL"
        if kinds != {wanted}:
            raise _invalid(f"{subscription['Frequency']} alerts go to {wanted} only.")
        if not subscription.keys() & {"Threshold", "ThresholdExpression"}:
            raise _invalid("A subscription needs a threshold or a threshold expression.")

    def _tagged(self, asked: Asked) -> str:
        arn = str(asked["ResourceArn"])
        if ":anomaly" not in arn:
            raise NotOursError
        if arn not in self._tags:
            raise Refused("ResourceNotFoundException", f"There is no {arn}.")
        return arn


def _invalid(why: str) -> Refused:
    return Refused("ValidationException", why)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
