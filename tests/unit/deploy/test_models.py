"""Which of the policy's models are told to the module, with which regions, and what is said of the others."""

import pytest

from keepstone.deploy.models import models_of
from keepstone.deploy.notices import Weight, notices_of
from tests.unit.deploy.documents import policy

UPSTREAMS = {
    "us": {"kind": "bedrock", "region": "us-east-1"},
    "eu": {"kind": "bedrock", "region": "eu-central-1"},
    "gpu": {"kind": "openai", "base_url": "http://127.0.0.1:8000/v1"},
    "dev": {"kind": "dev"},
}
ACCOUNT = "123456789012"
TUNED = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model/anthropic.claude-x/abcdefabcdef"
PROFILE = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.anthropic.claude-x"


def arn(region, name="anthropic.claude-x"):
    return f"arn:aws:bedrock:{region}::foundation-model/{name}"


def found(*models):
    return models_of(policy(upstreams=UPSTREAMS, models=list(models)))


def model(*upstreams, id_="anthropic.claude-x", **more):
    return {"id": id_, "upstreams": list(upstreams), **more}


@pytest.mark.parametrize(
    ("models", "arns", "regions"),
    [
        ([model("us")], [arn("us-east-1")], ["us-east-1"]),
        ([model("us", "eu")], [arn("us-east-1"), arn("eu-central-1")], ["eu-central-1", "us-east-1"]),
        ([model("us", "gpu")], [arn("us-east-1")], ["us-east-1"]),
        ([model("gpu", id_="llama")], [], []),
        (
            [model("us"), model("eu", id_="amazon.nova"), model("gpu", id_="llama")],
            [arn("us-east-1"), arn("eu-central-1", "amazon.nova")],
            ["eu-central-1", "us-east-1"],
        ),
        ([model("us", upstream_ids={"us": TUNED})], [TUNED], ["us-east-1"]),
        ([model("us", upstream_ids={"us": "amazon.nova"})], [arn("us-east-1", "amazon.nova")], ["us-east-1"]),
        (
            [model("us", canary={"upstream_id": "anthropic.claude-y", "percent": 5})],
            [arn("us-east-1"), arn("us-east-1", "anthropic.claude-y")],
            ["us-east-1"],
        ),
        (
            [model("us", shadow={"upstream": "eu", "percent": 5})],
            [arn("us-east-1"), arn("eu-central-1")],
            ["eu-central-1", "us-east-1"],
        ),
        ([model("us"), model("us", id_="eu.amazon.nova")], [], ["us-east-1"]),
        ([model("us", upstream_ids={"us": PROFILE})], [], ["us-east-1"]),
        ([model("us"), model("eu", id_="amazon.*")], [], ["eu-central-1", "us-east-1"]),
    ],
)
def test_what_is_called_on_bedrock(models, arns, regions) -> None:
    told = found(*models)
    assert (list(told.arns), list(told.regions)) == (arns, regions)


@pytest.mark.parametrize(
    ("models", "reached"),
    [
        ([model("us")], ()),
        ([model("us", id_="us.anthropic.claude-x")], ("us-east-2", "us-west-1", "us-west-2")),
        ([model("us", id_="us.anthropic.*")], ("us-east-2", "us-west-1", "us-west-2")),
        ([model("us", upstream_ids={"us": PROFILE})], ("us-east-2", "us-west-1", "us-west-2")),
        ([model("us", id_="global.anthropic.claude-x")], ()),
        ([model("gpu", id_="us.anthropic.claude-x")], ()),
    ],
)
def test_where_profiles_lead(models, reached) -> None:
    assert found(*models).reached == reached


def test_an_arn_is_of_the_partition_of_its_region() -> None:
    upstreams = {"gov": {"kind": "bedrock", "region": "us-gov-west-1"}}
    told = models_of(policy(upstreams=upstreams, models=[model("gov")]))
    assert told.arns == ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-x",)


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (
            [model("us"), model("gpu", id_="llama")],
            ["`llama` is not on Bedrock", "`gpu` is of kind `openai`"],
        ),
        ([model("us"), model("dev", id_="keepstone.dev")], ["`keepstone.dev` is not on", "of kind `dev`"]),
        ([model("us", id_="amazon.*")], ["`amazon.*` is a pattern", "every model in the allowed regions"]),
        (
            [model("us", id_="amazon.*"), model("us", id_="eu.amazon.nova")],
            ["`amazon.*` is a pattern, `eu.amazon.nova` is an inference profile; the list is left empty"],
        ),
        ([model("us", id_="eu.amazon.nova")], ["`eu.amazon.nova` is an inference profile", "every model"]),
    ],
)
def test_what_is_not_listed_is_told_with_the_reason(models, says) -> None:
    (notice,) = [each for each in notices_of({}, found(*models)) if each.variable == "foundation_models"]
    assert notice.weight is Weight.NOTE
    assert all(each in f"{notice.found}; {notice.done} ({notice.why})" for each in says)


def test_a_policy_without_models_on_bedrock_is_warned_of() -> None:
    weights = [each.weight for each in notices_of({}, found(model("gpu"))) if "has no model" in each.found]
    assert weights == [Weight.WARNING]
