"""What cannot be read as text is treated alike on both ways."""

import pytest

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import Operation
from keepstone.gateway.bodies import CONVERSE
from keepstone.gateway.inspection import inspect_answer
from keepstone.gateway.metrics import Metrics
from keepstone.policy.schema import guardrails as schema
from tests.unit.gateway import calls


def answer():
    image = {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}
    return {"output": {"message": {"role": "assistant", "content": [{"text": "look"}, image]}}}


@pytest.mark.parametrize(("setting", "counted"), [("block", 0), ("allow", 1)])
def test_an_image_in_an_answer_is_blocked_or_counted(setting, counted):
    metrics = Metrics()
    guardrails = {"default": schema.Guardrail(uninspectable=setting)}
    call = calls.admitted(Operation.CONVERSE, "any", guardrails=guardrails)
    refusal = inspect_answer(call, CONVERSE, answer(), metrics)
    codes = [refusal.reason.code] if refusal else []
    assert codes == ([ReasonCode.CONTENT_NOT_INSPECTABLE] if setting == "block" else [])
    assert f"keepstone_uninspected_parts_total {counted}.0" in metrics.render().decode()
