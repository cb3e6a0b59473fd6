"""schemathesis on the HTTP surface of the OpenAPI document: no 500, errors in each protocol's shape."""

import json
from typing import Any

import pytest
import schemathesis
from docs.openapi import openapi
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.e2e.gateway_process import GatewayProcess

pytestmark = [pytest.mark.xdist_group("e2e-wire"), pytest.mark.slow]

SCHEMA = schemathesis.openapi.from_dict(openapi())
OPERATIONS = {f"{each.ok().method} {each.ok().path}": each.ok() for each in SCHEMA.get_all_operations()}
EXAMPLES = 25


def check(status: int, headers: dict[str, str], body: bytes, path: str) -> None:
    assert status < 500, (status, body[:300])
    if status == 200:
        assert headers["x-keepstone-outcome"] in ("allow", "transform", "refuse")
        return
    told = json.loads(body)
    assert headers["x-amzn-requestid"]
    assert headers["x-keepstone-reason"]
    if path.startswith("/v1/messages"):
        assert told["type"] == "error"
        assert told["error"]["type"]
        assert headers["request-id"]
    elif path.startswith("/v1/"):
        assert told["error"]["code"] == headers["x-keepstone-reason"]
        assert headers["x-request-id"]
    else:
        assert told["message"]
        assert headers["x-amzn-errortype"]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_case_ends_in_a_fault(gateway: GatewayProcess, name: str, mode: GenerationMode) -> None:
    operation = OPERATIONS[name]
    bodiless = operation.body is None or not list(operation.body)
    if mode is GenerationMode.NEGATIVE and bodiless:
        mode = GenerationMode.POSITIVE  # a path that names nothing else has no wrong form

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def run(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=gateway.url)
        path = sent["url"].removeprefix(gateway.url)
        body = sent.get("data") or (json.dumps(sent["json"]).encode() if "json" in sent else b"")
        status, headers, answer = gateway.exchange(
            sent["method"].upper(), path, body if isinstance(body, bytes) else str(body).encode()
        )
        check(status, headers, answer, case.operation.path)

    run()
