"""Bedrock's control plane on 127.0.0.1: the lists of models and inference profiles, for those who sign."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.simulators.bedrock import BEARER, KEYS
from tests.simulators.behaviour import Behaviour
from tests.simulators.server import Simulator
from tests.simulators.sigv4 import Accepted, refusal
from tests.simulators.wire import Answer, Received

Json = dict[str, Any]
REGION = "us-east-1"


def model(identifier: str, provider: str, *outputs: str) -> Json:
    """The summary of one model."""
    return {
        "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{identifier}",
        "modelId": identifier,
        "modelName": identifier.partition(".")[2],
        "providerName": provider,
        "inputModalities": ["TEXT"],
        "outputModalities": list(outputs or ("TEXT",)),
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE", "startOfLifeTime": "2024-03-13T00:00:00+00:00"},
    }


def profile(identifier: str) -> Json:
    """The summary of one system-defined inference profile."""
    return {
        "inferenceProfileName": f"profile {identifier}",
        "inferenceProfileArn": f"arn:aws:bedrock:{REGION}:111122223333:inference-profile/{identifier}",
        "models": [{"modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{identifier[3:]}"}],
        "inferenceProfileId": identifier,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


MODELS = (
    model("anthropic.claude-3-haiku-20240307-v1:0", "Anthropic"),
    model("amazon.titan-embed-text-v2:0", "Amazon", "EMBEDDING"),
    model("meta.llama3-8b-instruct-v1:0", "Meta"),
)
PROFILES = tuple(
    profile(f"us.{each}") for each in ("anthropic.one-v1:0", "anthropic.two-v1:0", "meta.three-v1:0")
)


class ControlSimulator(Simulator):
    """The control plane in one region; it gives profiles two at a time."""

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """The list that is asked for, or why not."""
        failure = behaviour.failure or refusal(
            received, Accepted((KEYS,), (BEARER,), REGION), datetime.now(UTC)
        )
        if failure is not None:
            head = {"Content-Type": "application/json", "x-amzn-ErrorType": failure.name}
            return Answer(failure.status, head, (json.dumps({"message": failure.message}).encode(),))
        if received.path == "/foundation-models":
            body: Json = {"modelSummaries": MODELS}
        elif "nextToken=more" in received.query:
            body = {"inferenceProfileSummaries": PROFILES[2:]}
        else:
            body = {"inferenceProfileSummaries": PROFILES[:2], "nextToken": "more"}
        return Answer(200, {"Content-Type": "application/json"}, (json.dumps(body).encode(),))
