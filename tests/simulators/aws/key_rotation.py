"""Rotation of keys with its period, which moto forgets."""

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.kms.models import kms_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

_YEAR = 365


class KeyRotation(Extension):
    """Rotation of the keys of one region; moto keeps whether, the key beside it how often."""

    service = "kms"

    @answers("EnableKeyRotation")
    def enable(self, asked: Asked) -> Told:
        key = self._key(asked)
        key.key_rotation_status = True
        key.rotation_days = asked.get("RotationPeriodInDays", getattr(key, "rotation_days", _YEAR))
        return {}

    @answers("GetKeyRotationStatus")
    def status(self, asked: Asked) -> Told:
        key = self._key(asked)
        told = {"KeyId": key.id, "KeyRotationEnabled": key.key_rotation_status}
        if not key.key_rotation_status:
            return told
        days = getattr(key, "rotation_days", _YEAR)
        return told | {"RotationPeriodInDays": days, "NextRotationDate": datetime.now(UTC) + timedelta(days)}

    def _key(self, asked: Asked) -> Any:
        backend = kms_backends[ACCOUNT][self.region]
        found = backend.keys.get(backend.get_key_id(asked["KeyId"]))
        if found is None:
            raise Refused("NotFoundException", f"Key '{asked['KeyId']}' does not exist")
        if found.key_state == "PendingDeletion" and "RotationPeriodInDays" in asked:
            raise Refused("KMSInvalidStateException", f"{found.arn} is pending deletion.")
        return found
