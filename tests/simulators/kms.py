"""AWS KMS on 127.0.0.1: moto does the cryptography; here is what moto does not enforce.

Requests must be signed for KMS, a disabled key refuses, and `Decrypt` opens with the named key only.
"""

import http.client
import json
from base64 import b64decode
from collections.abc import Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from moto.server import ThreadedMotoServer

from tests.simulators.bedrock import KEYS
from tests.simulators.behaviour import Behaviour, Failure
from tests.simulators.server import Simulator
from tests.simulators.sigv4 import Accepted, KeyPair, refusal
from tests.simulators.wire import Answer, Received

REGION = "us-east-1"
_ID = 36
_TYPE = "application/x-amz-json-1.1"


class KmsSimulator(Simulator):
    """KMS of one region and account."""

    def __init__(self, *, pairs: Collection[KeyPair] = (KEYS,)) -> None:
        super().__init__()
        self.disabled: set[str] = set()
        self.denied: set[str] = set()
        self.plaintexts: list[str] = []
        self._accepted = Accepted(pairs, (), REGION, "kms")
        self._moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)

    def __enter__(self) -> Self:
        self._moto.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._moto.stop()
        super().__exit__(kind, error, trace)

    def reset(self) -> None:
        """Forgets scripts, what was received, and which keys and operations refuse; keys stay."""
        super().reset()
        self.disabled.clear()
        self.denied.clear()
        self.plaintexts.clear()

    def new_key(self) -> str:
        """The ARN of a new symmetric key."""
        target = {"X-Amz-Target": "TrentService.CreateKey", "Content-Type": _TYPE}
        own = {"Authorization": f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/kms/aws4_request"}
        answer = self._forwarded(b"{}", target | own)
        return str(json.loads(answer.parts[0])["KeyMetadata"]["Arn"])

    def calls(self, operation: str) -> list[dict[str, Any]]:
        """What was asked of an operation."""
        name = f"TrentService.{operation}"
        return [json.loads(each.body) for each in self.requests if each.header("x-amz-target") == name]

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """What moto says, or why not."""
        failure = refusal(received, self._accepted, datetime.now(UTC)) or behaviour.failure
        failure = failure or self._key_fault(received)
        if failure:
            body = json.dumps({"__type": failure.name, "message": failure.message}).encode()
            return Answer(failure.status, {"Content-Type": _TYPE}, (body,))
        answer = self._forwarded(received.body, dict(received.headers))
        self.plaintexts += filter(None, [json.loads(answer.parts[0]).get("Plaintext")])
        return answer

    def _key_fault(self, received: Received) -> Failure | None:
        operation = (received.header("x-amz-target") or "").rpartition(".")[2]
        asked = json.loads(received.body)
        key = str(asked.get("KeyId", ""))
        if operation in self.denied:
            return Failure(400, "AccessDeniedException", f"not authorized to perform: kms:{operation}")
        if key in self.disabled:
            return Failure(400, "DisabledException", f"{key} is disabled.")
        if operation == "Decrypt" and not key.endswith(b64decode(asked["CiphertextBlob"])[:_ID].decode()):
            return Failure(400, "IncorrectKeyException", "The key ID in the request does not identify a CMK")
        return None

    def _forwarded(self, body: bytes, headers: dict[str, str]) -> Answer:
        host, port = self._moto.get_host_and_port()
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            sent = {name: value for name, value in headers.items() if name.lower() != "host"}
            connection.request("POST", urlsplit(self.url).path or "/", body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {"Content-Type": _TYPE}, (answer.read(),))
        finally:
            connection.close()
