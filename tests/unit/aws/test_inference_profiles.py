"""The adapter against the control plane's simulator, which signs and validates as AWS does."""

from collections.abc import Iterator

import pytest
from botocore.credentials import Credentials

from keepstone.aws.inference_profiles import ControlPlane, InferenceProfiles
from keepstone.core.errors import UpstreamError
from tests.simulators.bedrock import KEYS
from tests.simulators.behaviour import Behaviour, internal_error, throttled
from tests.simulators.control import ACCOUNT, BedrockControlSimulator

OWN = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:application-inference-profile/a1b2c3d4e5f6"
PROFILES = {
    "eu.anthropic.claude-x-v1:0": (
        "eu-central-1",
        "eu-west-1",
        "eu-west-3",
        "eu-north-1",
        "eu-south-1",
        "eu-west-2",
    ),
    "global.anthropic.claude-x-v1:0": ("eu-central-1", "us-east-1"),
    "global.anthropic.claude-y-v1:0": ("*",),
    OWN: ("eu-west-3",),
}


@pytest.fixture(scope="module")
def control() -> Iterator[BedrockControlSimulator]:
    with BedrockControlSimulator(PROFILES, region="eu-central-1") as simulator:
        yield simulator


@pytest.fixture
def reader(control: BedrockControlSimulator) -> InferenceProfiles:
    control.reset()
    good = Credentials(KEYS.access_key, KEYS.secret_key)
    planes = {
        "good": ControlPlane("eu-central-1", lambda: good, endpoint_url=control.url),
        "stranger": ControlPlane("eu-central-1", lambda: Credentials("AKIA", "x"), endpoint_url=control.url),
        "nobody": ControlPlane("eu-central-1", lambda: None, endpoint_url=control.url),
        "gone": ControlPlane("eu-central-1", lambda: good, endpoint_url="http://127.0.0.1:9"),
    }
    return InferenceProfiles(planes)


@pytest.mark.parametrize(
    ("profile", "regions"),
    [
        ("eu.anthropic.claude-x-v1:0", PROFILES["eu.anthropic.claude-x-v1:0"]),
        ("global.anthropic.claude-x-v1:0", ("eu-central-1", "us-east-1", "*")),
        ("global.anthropic.claude-y-v1:0", ("*",)),
        (OWN, ("eu-west-3",)),
        ("newcomer.model-v1:0", ()),
    ],
)
def test_where_a_profile_computes(reader: InferenceProfiles, profile: str, regions: tuple[str, ...]) -> None:
    assert reader.read("good", profile) == regions


@pytest.mark.parametrize(
    ("upstream", "profile", "said"),
    [
        ("good", "eu.anthropic.unheard-of", "ResourceNotFoundException"),
        ("good", OWN + "x", "ResourceNotFoundException"),
        ("good", "no profile", "ValidationException"),
        ("stranger", "newcomer.model-v1:0", "UnrecognizedClientException"),
        ("nobody", "newcomer.model-v1:0", "NoCredentialsError"),
        ("gone", "newcomer.model-v1:0", "EndpointConnectionError"),
    ],
)
def test_what_aws_does_not_say_is_no_answer(
    reader: InferenceProfiles, upstream: str, profile: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(UpstreamError, match=said):
        reader.read(upstream, profile)


def test_a_passing_fault_is_tried_once_more(
    control: BedrockControlSimulator, reader: InferenceProfiles
) -> None:
    control.behave(Behaviour(failure=internal_error()))
    assert reader.read("good", OWN) == ("eu-west-3",)
    control.behave(*[Behaviour(failure=throttled())] * 2)
    with pytest.raises(UpstreamError, match="ThrottlingException"):
        reader.read("good", OWN)
