"""Tags of scalable targets, and what they and their policies are bound to; moto registers anything."""

from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends

from tests.simulators.aws.operations import (
    ACCOUNT,
    Asked,
    Extension,
    NotOursError,
    Refused,
    Told,
    answers,
    follows,
)

_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_ECSService"
)
_ADJUSTMENTS = {"ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity"}


class Scaling(Extension):
    """Application Auto Scaling in one region; nothing scales."""

    service = "application-autoscaling"

    @answers("RegisterScalableTarget")
    def register(self, asked: Asked) -> Told:
        least, most = asked.get("MinCapacity"), asked.get("MaxCapacity")
        if least is not None and most is not None and least > most:
            raise _invalid("Maximum capacity cannot be less than minimum capacity")
        raise NotOursError

    @follows("RegisterScalableTarget")
    def registered(self, asked: Asked) -> None:
        target = self._backend.targets[asked["ScalableDimension"]][asked["ResourceId"]]
        target.tags = getattr(target, "tags", {}) | asked.get("Tags", {})
        target.role_arn = target.role_arn or _ROLE

    @answers("PutScalingPolicy")
    def put(self, asked: Asked) -> Told:
        steps = asked.get("StepScalingPolicyConfiguration")
        if steps is not None:
            _check_steps(steps)
        raise NotOursError

    @answers("ListTagsForResource")
    def tags(self, asked: Asked) -> Told:
        return {"Tags": dict(self._tags(asked))}

    @answers("TagResource")
    def tag(self, asked: Asked) -> Told:
        self._tags(asked).update(asked["Tags"])
        return {}

    @answers("UntagResource")
    def untag(self, asked: Asked) -> Told:
        for key in asked["TagKeys"]:
            self._tags(asked).pop(key, None)
        return {}

    @property
    def _backend(self) -> Any:
        return applicationautoscaling_backends[ACCOUNT][self.region]

    def _tags(self, asked: Asked) -> dict[str, str]:
        """Return the tags of a target."""
        for targets in self._backend.targets.values():
            for each in targets.values():
                if each.arn == asked["ResourceARN"]:
                    found: dict[str, str] = each.tags
                    return found
        raise Refused("ResourceNotFoundException", f"No scalable target {asked['ResourceARN']}.")


def _check_steps(steps: dict[str, Any]) -> None:
    if steps.get("AdjustmentType") not in _ADJUSTMENTS:
        raise _invalid("A step scaling policy needs an adjustment type.")
    bounds = [
        (each.get("MetricIntervalLowerBound"), each.get("MetricIntervalUpperBound"))
        for each in steps.get("StepAdjustments", [])
    ]
    if not bounds:
        raise _invalid("A step scaling policy needs a step adjustment.")
    for lower, upper in bounds:
        if lower is None and upper is None:
            raise _invalid("At least one bound of a step must be given.")
        if lower is not None and upper is not None and lower >= upper:
            raise _invalid("The upper bound of a step must be above its lower bound.")


def _invalid(why: str) -> Refused:
    return Refused("ValidationException", why)
