"""The gateway and the simulators of the end-to-end tests."""

from tests.e2e.conftest import _bearer_is_exported, _bedrock, _openai, bedrock, gateway  # noqa: F401
