"""The simulators as pytest fixtures: `from tests.simulators.fixtures import bedrock` in a test file."""

from collections.abc import Iterator

import pytest

from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.openai import OpenAISimulator


@pytest.fixture
def bedrock() -> Iterator[BedrockSimulator]:
    """Amazon Bedrock Runtime in `us-east-1`."""
    with BedrockSimulator() as simulator:
        yield simulator


@pytest.fixture
def openai() -> Iterator[OpenAISimulator]:
    """An OpenAI-compatible server."""
    with OpenAISimulator() as simulator:
        yield simulator
