"""Invocation logging of a region: Bedrock tries its destinations when it is put, which moto does not."""

from copy import deepcopy
from typing import Any

from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends

from tests.simulators.aws.operations import ACCOUNT, Asked, Extension, Refused, Told, answers

_PARTITION = "aws"


class InvocationLogging(Extension):
    """Whether and where calls of one region are logged; policies are looked for, not evaluated."""

    service = "bedrock"

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self._kept: dict[str, Any] = {}

    @answers("PutModelInvocationLoggingConfiguration")
    def put(self, asked: Asked) -> Told:
        wanted = asked["loggingConfig"]
        stream = wanted.get("cloudWatchConfig")
        if stream is None and "s3Config" not in wanted:
            raise Refused("ValidationException", "At least one destination is needed.")
        if stream is not None and not self._writable(stream):
            what = f"log group: {stream['logGroupName']}, with role: {stream['roleArn']}"
            raise Refused("ValidationException", f"Failed to validate permissions for {what}.")
        buckets = (wanted.get("s3Config"), (stream or {}).get("largeDataDeliveryS3Config"))
        for bucket in filter(None, buckets):
            if not _takes_logs(bucket["bucketName"]):
                raise Refused("ValidationException", f"Failed to validate bucket: {bucket['bucketName']}.")
        flags = ("text", "image", "embedding", "video", "audio")
        defaults = {f"{each}DataDeliveryEnabled": True for each in flags}
        self._kept = {"loggingConfig": defaults | deepcopy(wanted)}
        return {}

    @answers("GetModelInvocationLoggingConfiguration")
    def get(self, _: Asked) -> Told:
        return deepcopy(self._kept)

    @answers("DeleteModelInvocationLoggingConfiguration")
    def delete(self, _: Asked) -> Told:
        self._kept = {}
        return {}

    def _writable(self, stream: dict[str, Any]) -> bool:
        roles: Any = iam_backends[ACCOUNT][_PARTITION].roles.values()
        role = next((each for each in roles if each.arn == stream["roleArn"]), None)
        permitted = role is not None and bool(role.managed_policies or role.policies)
        return permitted and stream["logGroupName"] in logs_backends[ACCOUNT][self.region].groups


def _takes_logs(name: str) -> bool:
    bucket: Any = s3_backends[ACCOUNT][_PARTITION].buckets.get(name)
    return bucket is not None and b"bedrock.amazonaws.com" in (bucket.policy or b"")
