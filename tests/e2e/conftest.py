"""Gateways, simulators and keys that the tests of one worker share; start-up is what costs here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import document
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.openai import OpenAISimulator

Start = Callable[..., GatewayProcess]


@pytest.fixture(autouse=True)
def _bearer_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore looks at each call whether the variable exists; which token it sends is the client's own."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "exported")


@pytest.fixture(scope="session")
def _bedrock() -> Iterator[BedrockSimulator]:
    with BedrockSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def _openai() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as simulator:
        yield simulator


@pytest.fixture
def bedrock(_bedrock: BedrockSimulator) -> BedrockSimulator:
    """Amazon Bedrock in us-east-1, healthy again and without memory."""
    _bedrock.reset()
    return _bedrock


@pytest.fixture
def openai(_openai: OpenAISimulator) -> OpenAISimulator:
    """A server of chat completions, healthy again and without memory."""
    _openai.reset()
    return _openai


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, _bedrock: BedrockSimulator, _openai: OpenAISimulator
) -> Iterator[GatewayProcess]:
    """The shared gateway, in TLS, with every upstream of `policy.document`."""
    folder = tmp_path_factory.mktemp("gateway")
    process = GatewayProcess(folder, document(_bedrock.url, _openai.base_url))
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture
def start(tmp_path: Path, _bedrock: BedrockSimulator, _openai: OpenAISimulator) -> Iterator[Start]:
    """Start a gateway of the test's own: `start(policy=..., arguments=..., name=...)`."""
    running: list[GatewayProcess] = []

    def begin(
        *arguments: str, policy: str = "", name: str = "own", extra: dict[str, str] | None = None
    ) -> GatewayProcess:
        text = policy or document(_bedrock.url, _openai.base_url)
        process = GatewayProcess(tmp_path / name, text, *arguments, extra=extra or {})
        running.append(process)
        return process.start()

    yield begin
    for process in running:
        process.close()
