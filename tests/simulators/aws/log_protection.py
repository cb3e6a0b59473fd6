"""Data-protection policies of log groups, which moto lacks; they go when their group goes."""

import json
import time
from typing import Any

from moto.logs.models import logs_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

_IDENTIFIER = "arn:aws:dataprotection::aws:data-identifier/"


class LogProtection(Extension):
    """Masking of what log groups of one region hold, as a policy; nothing is masked here."""

    service = "logs"

    @answers("PutDataProtectionPolicy")
    def put(self, asked: Asked) -> Told:
        group = self._group(asked)
        fault = policy_fault(asked["policyDocument"])
        if fault:
            raise Refused("InvalidParameterException", fault)
        group.data_protection = {
            "policyDocument": asked["policyDocument"],
            "lastUpdatedTime": int(time.time() * 1000),
        }
        return self.get(asked)

    @answers("GetDataProtectionPolicy")
    def get(self, asked: Asked) -> Told:
        group = self._group(asked)
        return {"logGroupIdentifier": asked["logGroupIdentifier"], **getattr(group, "data_protection", {})}

    @answers("DeleteDataProtectionPolicy")
    def delete(self, asked: Asked) -> Told:
        group = self._group(asked)
        if not hasattr(group, "data_protection"):
            raise Refused("ResourceNotFoundException", "The log group has no data protection policy.")
        del group.data_protection
        return {}

    def _group(self, asked: Asked) -> Any:
        name = asked["logGroupIdentifier"].rpartition(":log-group:")[2].removesuffix(":*")
        group = logs_backends[ACCOUNT][self.region].groups.get(name)
        if group is None:
            raise Refused("ResourceNotFoundException", "The specified log group does not exist.")
        return group


def policy_fault(document: str) -> str:
    """Why CloudWatch Logs refuses a policy (PutDataProtectionPolicy); empty where it takes it."""
    try:
        policy = json.loads(document)
        first, second = policy["Statement"]
        operations = (first["Operation"], second["Operation"])
        identifiers = (first["DataIdentifier"], second["DataIdentifier"])
    except (ValueError, KeyError, TypeError):
        return "The policy needs two statements, each with data identifiers and an operation."
    if policy.get("Version") != "2021-06-01" or not policy.get("Name"):
        return "The policy needs a name and the version 2021-06-01."
    if "FindingsDestination" not in operations[0].get("Audit", {}):
        return "The first statement audits, with a findings destination, which may be empty."
    if operations[1].get("Deidentify") != {"MaskConfig": {}}:
        return "The second statement de-identifies, with an empty mask configuration."
    if not identifiers[0] or sorted(identifiers[0]) != sorted(identifiers[1]):
        return "Both statements have the same data identifiers, and at least one."
    if not all(str(each).startswith(_IDENTIFIER) for each in identifiers[0]):
        return f"A data identifier is an ARN that begins with {_IDENTIFIER}."
    return ""
