"""A misspelt path in `transforms` is told; a member of a model's own body is not taken for one."""

import botocore.session
import pytest

from keepstone.policy.converse_members import REQUEST, RESPONSE, Members
from tests.unit.policy.documents import MINIMAL, problems_of

CONVERSE = "operations: [Converse, ConverseStream], "


def told(change: str, side: str = "request", more: str = CONVERSE) -> list[str]:
    text = f"{MINIMAL}transforms: [{{name: a, {more}{side}: [{{{change}}}]}}]\n"
    return [
        f"{each.severity}: {each.message}; {each.hint}"
        for each in problems_of(text)
        if each.path == f"transforms[0].{side}[0].path"
    ]


@pytest.mark.parametrize(
    ("change", "side", "more", "said"),
    [
        (
            "change: cap, path: inferenceConfig.maxToken, at: 9",
            "request",
            CONVERSE,
            "inferenceConfig.maxTokens",
        ),
        ("change: cap, path: inferenceConfig.maxToken, at: 9", "request", "", "inferenceConfig.maxTokens"),
        ("change: cap, path: inferenceConf.maxTokens, at: 9", "request", "", "inferenceConfig.maxTokens"),
        ("change: remove, path: additionalModelRequestField", "request", "", "additionalModelRequestFields"),
        ("change: remove, path: sytem", "request", CONVERSE, "system"),
        ("change: remove, path: inferenceConfig.topK", "request", CONVERSE, "inferenceConfig.topP"),
        ("change: remove, path: usage.inputToken", "response", CONVERSE, "usage.inputTokens"),
        ("change: remove, path: message.role", "response", CONVERSE, "output.message.role"),
    ],
)
def test_a_misspelt_path_is_told(change: str, side: str, more: str, said: str) -> None:
    (found,) = told(change, side, more)
    assert found.startswith("warning: Converse has no member `")
    assert f"did you mean `{said}`?" in found


def test_a_path_like_no_other_is_told_with_what_there_is() -> None:
    (found,) = told("change: remove, path: zzz")
    assert "members: additionalModelRequestFields" in found


def test_with_a_system_prompt_all_calls_are_of_converse() -> None:
    text = "{change: remove, path: top_p}, {change: system, text: hello}"
    found = problems_of(f"{MINIMAL}transforms: [{{name: a, request: [{text}]}}]\n")
    assert [each.path for each in found] == ["transforms[0].request[0].path"]


@pytest.mark.parametrize(
    ("change", "side", "more"),
    [
        ("change: cap, path: inferenceConfig.maxTokens, at: 9", "request", CONVERSE),
        (
            "change: set, path: additionalModelRequestFields.thinking.budget_tokens, to: 9",
            "request",
            CONVERSE,
        ),
        ("change: set, path: requestMetadata.team, to: a", "request", CONVERSE),
        ("change: remove, path: toolConfig.toolChoice.tool.name", "request", CONVERSE),
        ("change: remove, path: trace", "response", CONVERSE),
        ("change: cap, path: max_tokens, at: 9", "request", ""),
        ("change: cap, path: inferenceConfig.topK, at: 9", "request", ""),
        (
            "change: cap, path: textGenerationConfig.maxTokenCount, at: 9",
            "request",
            "operations: [InvokeModel], ",
        ),
        ("change: remove, path: message", "request", ""),
        ("change: remove, path: maxTokens", "request", ""),
        ("change: remove, path: stop_reason", "response", ""),
    ],
)
def test_what_a_body_may_have_is_not(change: str, side: str, more: str) -> None:
    assert not told(change, side, more)


@pytest.mark.parametrize(
    ("members", "side"), [(REQUEST, "input_shape"), (RESPONSE, "output_shape")], ids=["request", "answer"]
)
def test_the_members_are_those_of_the_sdk(members: Members, side: str) -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    operations = ["Converse"] if side == "output_shape" else ["Converse", "ConverseStream"]
    shapes = [getattr(model.operation_model(each), side) for each in operations]
    names = {name for shape in shapes for name in shape.members} - {"modelId"}
    assert set(members) == names
    for name, below in members.items():
        if below is not None:
            inner = {each for shape in shapes for each in shape.members[name].members}
            assert set(below) == inner
