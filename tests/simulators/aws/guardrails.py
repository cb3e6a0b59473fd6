"""Bedrock guardrails: draft and numbered versions, tags, and the rules that Bedrock has beside its model."""

import secrets
from copy import deepcopy
from datetime import UTC, datetime
from itertools import chain
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

_POLICIES = {
    "topicPolicyConfig": "topicPolicy",
    "contentPolicyConfig": "contentPolicy",
    "wordPolicyConfig": "wordPolicy",
    "sensitiveInformationPolicyConfig": "sensitiveInformationPolicy",
    "contextualGroundingPolicyConfig": "contextualGroundingPolicy",
    "automatedReasoningPolicyConfig": "automatedReasoningPolicy",
}
_TIERED = {"topicPolicy", "contentPolicy"}
_SUMMARY = ("name", "description", "status", "version", "createdAt", "updatedAt")
_VERSIONS = 20


class Guardrails(Tagged):
    """Guardrails of one region."""

    service = "bedrock"

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self._versions: dict[str, dict[str, dict[str, Any]]] = {}

    @answers("CreateGuardrail")
    def create(self, asked: Asked) -> Told:
        if asked["name"] in self._names():
            raise Refused("ConflictException", "Guardrail with the same name already exists.")
        _check(asked)
        guardrail = secrets.token_hex(6)
        arn = f"arn:aws:bedrock:{self.region}:{ACCOUNT}:guardrail/{guardrail}"
        now = datetime.now(UTC)
        identity = {"guardrailId": guardrail, "guardrailArn": arn, "createdAt": now}
        self._versions[guardrail] = {"DRAFT": _as_told(asked) | identity | {"updatedAt": now}}
        self._tags.add(arn, asked.get("tags", []))
        return identity | {"version": "DRAFT"}

    @answers("GetGuardrail")
    def get(self, asked: Asked) -> Told:
        versions = self._of(asked)
        version = asked.get("guardrailVersion", "DRAFT")
        if version not in versions:
            raise Refused("ResourceNotFoundException", f"The guardrail has no version {version}.")
        return deepcopy(versions[version])

    @answers("UpdateGuardrail")
    def update(self, asked: Asked) -> Told:
        versions = self._of(asked)
        _check(asked)
        before = versions["DRAFT"]
        if asked["name"] != before["name"] and asked["name"] in self._names():
            raise Refused("ConflictException", "Guardrail with the same name already exists.")
        kept = {key: before[key] for key in ("guardrailId", "guardrailArn", "createdAt")}
        versions["DRAFT"] = _as_told(asked) | kept | {"updatedAt": datetime.now(UTC)}
        told = versions["DRAFT"]
        return {key: told[key] for key in ("guardrailId", "guardrailArn", "version", "updatedAt")}

    @answers("DeleteGuardrail")
    def delete(self, asked: Asked) -> Told:
        versions = self._of(asked)
        version = asked.get("guardrailVersion")
        if version is None:
            draft = versions["DRAFT"]
            del self._versions[draft["guardrailId"]]
            self._tags.forget(draft["guardrailArn"])
        elif versions.pop(version, None) is None:
            raise Refused("ResourceNotFoundException", f"The guardrail has no version {version}.")
        return {}

    @answers("CreateGuardrailVersion")
    def create_version(self, asked: Asked) -> Told:
        versions = self._of(asked)
        if len(versions) > _VERSIONS:
            raise Refused("ServiceQuotaExceededException", f"A guardrail has {_VERSIONS} versions at most.")
        version = str(max([int(each) for each in versions if each != "DRAFT"], default=0) + 1)
        now = datetime.now(UTC)
        described = {"description": asked["description"]} if "description" in asked else {}
        versions[version] = (
            deepcopy(versions["DRAFT"]) | described | {"version": version, "createdAt": now, "updatedAt": now}
        )
        return {"guardrailId": versions["DRAFT"]["guardrailId"], "version": version}

    @answers("ListGuardrails")
    def listed(self, asked: Asked) -> Told:
        if "guardrailIdentifier" in asked:
            found = list(self._of(asked).values())
        else:
            found = [versions["DRAFT"] for versions in self._versions.values()]
        return {"guardrails": [_summary(each) for each in found]}

    def _names(self) -> set[str]:
        return {versions["DRAFT"]["name"] for versions in self._versions.values()}

    def _of(self, asked: Asked) -> dict[str, dict[str, Any]]:
        guardrail = asked["guardrailIdentifier"].rpartition("/")[2]
        if guardrail not in self._versions:
            raise Refused("ResourceNotFoundException", f"Could not find guardrail {guardrail}.")
        return self._versions[guardrail]

    def _tagged(self, asked: Asked) -> str:
        arn = str(asked["resourceARN"])
        if ":guardrail/" not in arn:
            raise NotOursError
        if arn not in self._tags:
            raise Refused("ResourceNotFoundException", f"Could not find {arn}.")
        return arn


def _check(asked: Asked) -> None:
    """Refuse what the model allows and Bedrock does not."""
    if not any(policy in asked for policy in _POLICIES):
        raise Refused("ValidationException", "A guardrail needs at least one policy.")
    filters = asked.get("contentPolicyConfig", {}).get("filtersConfig", [])
    entities = asked.get("sensitiveInformationPolicyConfig", {}).get("piiEntitiesConfig", [])
    for each in filters:
        if each["type"] == "PROMPT_ATTACK" and each["outputStrength"] != "NONE":
            raise Refused(
                "ValidationException", "PROMPT_ATTACK applies to input only: outputStrength is NONE."
            )
    for listed in (filters, entities):
        kinds = [each["type"] for each in listed]
        if len(kinds) != len(set(kinds)):
            raise Refused("ValidationException", "A type is configured twice.")
    for each in asked.get("contextualGroundingPolicyConfig", {}).get("filtersConfig", []):
        if each["threshold"] >= 1:
            raise Refused("ValidationException", "A grounding threshold is below 1.")
    tiers = {asked.get(policy, {}).get("tierConfig", {}).get("tierName") for policy in _POLICIES}
    if "STANDARD" in tiers and "crossRegionConfig" not in asked:
        raise Refused("ValidationException", "The STANDARD tier needs a cross-region configuration.")


def _as_told(asked: Asked) -> dict[str, Any]:
    """A configuration as it was put, in the shape in which it is read: `xConfig` is `x` there."""
    told: dict[str, Any] = {"version": "DRAFT", "status": "READY"}
    for key in ("name", "description", "blockedInputMessaging", "blockedOutputsMessaging"):
        if key in asked:
            told[key] = asked[key]
    for config, policy in _POLICIES.items():
        if config in asked:
            told[policy] = {
                key.removesuffix("Config"): value for key, value in deepcopy(asked[config]).items()
            }
            if policy in _TIERED:
                told[policy].setdefault("tier", {"tierName": "CLASSIC"})
    if "kmsKeyId" in asked:
        told["kmsKeyArn"] = asked["kmsKeyId"]
    return told


def _summary(told: dict[str, Any]) -> dict[str, Any]:
    kept = chain(_SUMMARY, ("crossRegionDetails",))
    summary = {key: told[key] for key in kept if key in told}
    return summary | {"id": told["guardrailId"], "arn": told["guardrailArn"]}
