"""Amazon Bedrock's control plane on 127.0.0.1: `GetInferenceProfile`, as strict as the runtime's simulator.

It knows the profiles that a test gives it, by id or by ARN, each with the regions it may compute in; `*`
stands for a global profile, whose model has an ARN without a region.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from tests.simulators.bedrock import BEARER, KEYS, SESSION_KEYS
from tests.simulators.behaviour import Behaviour, Failure
from tests.simulators.server import Simulator
from tests.simulators.shapes import answer_violations, request_violations
from tests.simulators.sigv4 import Accepted, KeyPair, refusal
from tests.simulators.wire import Answer, Received

ACCOUNT = "123456789012"
_OPERATION = "GetInferenceProfile"
_PATH = re.compile(r"/inference-profiles/([^/]+)")
_MODEL = "anthropic.claude-3-haiku-20240307-v1:0"


class BedrockControlSimulator(Simulator):
    """The control plane of one region; `profiles` may be changed while it runs."""

    def __init__(
        self,
        profiles: Mapping[str, tuple[str, ...]],
        *,
        region: str = "us-east-1",
        pairs: Collection[KeyPair] = (KEYS, SESSION_KEYS),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.profiles = dict(profiles)
        self._accepted = Accepted(pairs, (BEARER,), region)
        self._now = now

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """The profile that the path names, if the caller may ask and it is there."""
        failure = refusal(received, self._accepted, self._now()) or behaviour.failure
        match = _PATH.fullmatch(received.path)
        if failure is None and (received.method != "GET" or match is None):
            failure = Failure(404, "UnknownOperationException", "Unable to determine operation")
        if failure is not None or match is None:
            return _failed(failure or Failure(404, "UnknownOperationException", ""))
        name = unquote(match[1])
        violations = request_violations(_OPERATION, {"inferenceProfileIdentifier": name}, "bedrock")
        if violations:
            return _failed(Failure(400, "ValidationException", "; ".join(violations)))
        if name not in self.profiles:
            message = "The provided inference profile identifier was not found."
            return _failed(Failure(404, "ResourceNotFoundException", message))
        return self._profile(name)

    def _profile(self, name: str) -> Answer:
        plain = name.rpartition("/")[2]
        own = name.startswith("arn:")
        kind = "application-inference-profile" if own else "inference-profile"
        arn = f"arn:aws:bedrock:{self._accepted.region}:{ACCOUNT}:{kind}/{plain}"
        body = {
            "inferenceProfileName": "A simulated profile",
            "inferenceProfileArn": arn,
            "inferenceProfileId": plain,
            "models": [{"modelArn": _model_arn(region)} for region in self.profiles[name]],
            "status": "ACTIVE",
            "type": "APPLICATION" if own else "SYSTEM_DEFINED",
            "createdAt": "2025-01-01T00:00:00Z",
        }
        found = [each for each in answer_violations(_OPERATION, body, "bedrock") if not _lags(each)]
        if found:
            raise AssertionError(f"AWS would not answer so: {found}")
        return Answer(200, {"Content-Type": "application/json"}, (json.dumps(body).encode(),))


def _lags(violation: str) -> bool:
    """The service model is behind AWS here: profiles have more than five models, global ones no region."""
    return (
        "length less" in violation
        or "modelArn' failed to satisfy constraint: Member must satisfy reg" in violation
    )


def _model_arn(region: str) -> str:
    return f"arn:aws:bedrock:{'' if region == '*' else region}::foundation-model/{_MODEL}"


def _failed(failure: Failure) -> Answer:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": failure.name, **failure.headers}
    return Answer(failure.status, headers, (json.dumps({"message": failure.message}).encode(),))
