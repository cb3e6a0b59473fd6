"""What moto's EFS lacks: backups, the end of a policy, and whether those whom it names are there."""

import json
from typing import Any

from moto.efs.models import efs_backends
from moto.iam.models import iam_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, NotOursError, Refused, Told, answers


class FileSystems(Extension):
    """Backup and policy of the file systems of one region, kept by moto."""

    service = "efs"

    @answers("PutBackupPolicy")
    def put_backup(self, asked: Asked) -> Told:
        self._system(asked)._backup = asked["BackupPolicy"]["Status"] == "ENABLED"
        return {"BackupPolicy": asked["BackupPolicy"]}

    @answers("DescribeBackupPolicy")
    def backup(self, asked: Asked) -> Told:
        return {"BackupPolicy": {"Status": "ENABLED" if self._system(asked)._backup else "DISABLED"}}

    @answers("PutFileSystemPolicy")
    def put_policy(self, asked: Asked) -> Told:
        self._system(asked)
        roles: Any = iam_backends[ACCOUNT]["aws"].roles.values()
        known = {each.arn for each in roles} | {"*", f"arn:aws:iam::{ACCOUNT}:root"}
        try:
            named = [_principals(each) for each in json.loads(asked["Policy"])["Statement"]]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused("InvalidPolicyException", "The policy cannot be read.") from error
        strange = sorted({name for names in named for name in names} - known)
        if strange:
            raise Refused("InvalidPolicyException", f"The policy names {strange[0]}, which is not there.")
        raise NotOursError

    @answers("DeleteFileSystemPolicy")
    def delete_policy(self, asked: Asked) -> Told:
        self._system(asked).file_system_policy = None
        return {}

    def _system(self, asked: Asked) -> Any:
        found = efs_backends[ACCOUNT][self.region].file_systems_by_id.get(asked["FileSystemId"])
        if found is None:
            raise Refused("FileSystemNotFound", f"File system '{asked['FileSystemId']}' does not exist.")
        return found


def _principals(statement: dict[str, Any]) -> list[str]:
    principal = statement["Principal"]
    named = principal if isinstance(principal, str) else principal.get("AWS", [])
    return [named] if isinstance(named, str) else list(named)
