"""AWS Budgets: budgets, notifications, who is told, tags. moto has a third of it; this is in its place."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from tests.simulators.aws.operations import ACCOUNT, Asked, Refused, Tagged, Told, answers

_END = datetime(2087, 6, 15, tzinfo=UTC)  # what AWS sets where the caller names no end
_COST_TYPES = {
    "IncludeCredit": True,
    "IncludeDiscount": True,
    "IncludeOtherSubscription": True,
    "IncludeRecurring": True,
    "IncludeRefund": True,
    "IncludeSubscription": True,
    "IncludeSupport": True,
    "IncludeTax": True,
    "IncludeUpfront": True,
    "UseAmortized": False,
    "UseBlended": False,
}
_SUBSCRIBERS = 11


class Budgets(Tagged):
    """The account's budgets; nothing is ever spent."""

    service = "budgets"
    members = ("ResourceTags", "ResourceTagKeys")
    pair = ("Key", "Value")

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self._budgets: dict[str, dict[str, Any]] = {}
        self._notices: dict[str, list[tuple[dict[str, Any], list[dict[str, str]]]]] = {}

    @answers("CreateBudget")
    def create(self, asked: Asked) -> Told:
        name = asked["Budget"]["BudgetName"]
        if name in self._budgets:
            raise Refused("DuplicateRecordException", f"Error creating budget: {name} - it already exists.")
        self._budgets[name] = _with_defaults(asked["Budget"])
        self._notices[name] = []
        for each in asked.get("NotificationsWithSubscribers", []):
            self._add(name, each["Notification"], each["Subscribers"])
        self._tags.add(_arn(name), asked.get("ResourceTags", []))
        return {}

    @answers("DescribeBudget")
    def describe(self, asked: Asked) -> Told:
        return {"Budget": deepcopy(self._budget(asked))}

    @answers("DescribeBudgets")
    def describe_all(self, _: Asked) -> Told:
        return {"Budgets": deepcopy(list(self._budgets.values()))}

    @answers("UpdateBudget")
    def update(self, asked: Asked) -> Told:
        name = asked["NewBudget"]["BudgetName"]
        self._budget({"BudgetName": name})
        self._budgets[name] = _with_defaults(asked["NewBudget"])
        return {}

    @answers("DeleteBudget")
    def delete(self, asked: Asked) -> Told:
        self._budget(asked)
        del self._budgets[asked["BudgetName"]], self._notices[asked["BudgetName"]]
        self._tags.forget(_arn(asked["BudgetName"]))
        return {}

    @answers("CreateNotification")
    def create_notification(self, asked: Asked) -> Told:
        self._budget(asked)
        self._add(asked["BudgetName"], asked["Notification"], asked["Subscribers"])
        return {}

    @answers("DescribeNotificationsForBudget")
    def notifications(self, asked: Asked) -> Told:
        self._budget(asked)
        return {"Notifications": [deepcopy(notice) for notice, _ in self._notices[asked["BudgetName"]]]}

    @answers("UpdateNotification")
    def update_notification(self, asked: Asked) -> Told:
        subscribers = self._subscribers(asked, asked["OldNotification"])
        self._drop(asked["BudgetName"], asked["OldNotification"])
        self._add(asked["BudgetName"], asked["NewNotification"], subscribers)
        return {}

    @answers("DeleteNotification")
    def delete_notification(self, asked: Asked) -> Told:
        self._subscribers(asked, asked["Notification"])
        self._drop(asked["BudgetName"], asked["Notification"])
        return {}

    @answers("DescribeSubscribersForNotification")
    def subscribers(self, asked: Asked) -> Told:
        return {"Subscribers": deepcopy(self._subscribers(asked, asked["Notification"]))}

    @answers("CreateSubscriber")
    def create_subscriber(self, asked: Asked) -> Told:
        found = self._subscribers(asked, asked["Notification"])
        if asked["Subscriber"] in found:
            raise Refused("DuplicateRecordException", "The subscriber already exists.")
        if len(found) == _SUBSCRIBERS:
            raise Refused("CreationLimitExceededException", f"{_SUBSCRIBERS} subscribers at most.")
        found.append(asked["Subscriber"])
        return {}

    @answers("UpdateSubscriber")
    def update_subscriber(self, asked: Asked) -> Told:
        found = self._subscribers(asked, asked["Notification"])
        found[_position(found, asked["OldSubscriber"])] = asked["NewSubscriber"]
        return {}

    @answers("DeleteSubscriber")
    def delete_subscriber(self, asked: Asked) -> Told:
        found = self._subscribers(asked, asked["Notification"])
        del found[_position(found, asked["Subscriber"])]
        return {}

    def _budget(self, asked: Asked) -> dict[str, Any]:
        if asked["BudgetName"] not in self._budgets:
            raise Refused(
                "NotFoundException", f"Unable to get budget: {asked['BudgetName']} - it doesn't exist."
            )
        return self._budgets[asked["BudgetName"]]

    def _tagged(self, asked: Asked) -> str:
        arn = str(asked["ResourceARN"])
        if arn not in self._tags:
            raise Refused("NotFoundException", f"Unable to find {arn}.")
        return arn

    def _add(self, name: str, notice: dict[str, Any], subscribers: list[dict[str, str]]) -> None:
        if any(_same(notice, each) for each, _ in self._notices[name]):
            raise Refused("DuplicateRecordException", "The notification already exists.")
        kept = {"ThresholdType": "PERCENTAGE", "NotificationState": "OK"} | notice
        self._notices[name].append((kept, list(subscribers)))

    def _drop(self, name: str, notice: dict[str, Any]) -> None:
        self._notices[name] = [each for each in self._notices[name] if not _same(each[0], notice)]

    def _subscribers(self, asked: Asked, notice: dict[str, Any]) -> list[dict[str, str]]:
        self._budget(asked)
        for each, subscribers in self._notices[asked["BudgetName"]]:
            if _same(each, notice):
                return subscribers
        raise Refused("NotFoundException", "Unable to find the notification.")


def _arn(name: str) -> str:
    return f"arn:aws:budgets::{ACCOUNT}:budget/{name}"


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        one.get(key, default) == other.get(key, default)
        for key, default in (
            ("NotificationType", None),
            ("ComparisonOperator", None),
            ("Threshold", None),
            ("ThresholdType", "PERCENTAGE"),
        )
    )


def _position(subscribers: list[dict[str, str]], wanted: dict[str, str]) -> int:
    if wanted not in subscribers:
        raise Refused("NotFoundException", "Unable to find the subscriber.")
    return subscribers.index(wanted)


def _with_defaults(budget: dict[str, Any]) -> dict[str, Any]:
    """A budget as AWS tells it: from this month on, with nothing spent."""
    if not budget.keys() & {"BudgetLimit", "PlannedBudgetLimits", "AutoAdjustData"}:
        raise Refused(
            "InvalidParameterException", "Unable to create/update budget - please provide one of the limits."
        )
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    told = deepcopy(budget)
    told["TimePeriod"] = {"Start": first, "End": _END} | told.get("TimePeriod", {})
    told["LastUpdatedTime"] = now
    told["CalculatedSpend"] = {"ActualSpend": {"Amount": "0.0", "Unit": "USD"}}
    if told["BudgetType"] == "COST" and "FilterExpression" not in told:
        told["CostTypes"] = _COST_TYPES | told.get("CostTypes", {})
    if "AutoAdjustData" in told:
        told["BudgetLimit"] = {"Amount": "1.0", "Unit": "USD"}
    return told
