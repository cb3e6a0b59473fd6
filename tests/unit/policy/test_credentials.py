"""What looks like a credential is refused wherever it stands, and never repeated."""

import base64
import random
import string
import time
from hashlib import sha256

import pytest

from keepstone.policy.credentials import looks_like_credential, redacted
from keepstone.policy.load import load_texts
from keepstone.policy.problems import InvalidPolicyError, shown
from tests.unit.policy.documents import MINIMAL, problems_of

_RANDOM = random.Random(7)
LONG = "".join(_RANDOM.choice(string.ascii_letters + string.digits) for _ in range(40))
FAKE = {
    "AWS access key": "AKIA" + "FAKE" * 4,
    "AWS session key": "ASIA" + "FAKE" * 4,
    "Bedrock key": "ABSK" + "Fake0" * 12,
    "OpenAI": "sk-" + "fake" * 6,
    "OpenAI project": "sk-proj-" + "fake_" * 5,
    "GitHub": "ghp_" + "Fake" * 9,
    "GitLab": "glpat-" + "Fake" * 5,
    "Slack": "xoxb-" + "1234-" * 5,
    "Google": "AIza" + "Fake" * 9,
    "JWT": "eyJ" + "fake" * 5 + ".eyJ" + "fake" * 5 + ".fake",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "URL with password": "https://user:" + "fakefake@host.example/",
    "long random": LONG,
    "hex": "deadbeef01" * 4,
    "AWS secret key": "/".join(("Fake7XutnFEMI", "K7MDbNG", "bQxRjiCYzVhWdLpTsG")),
}
INNOCENT = [
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456",
    "https://vpce-0123456789abcdef0-abcdefgh.bedrock-runtime.us-east-1.vpce.amazonaws.com",
    "/run/secrets/models-api-key",
    "AKIA[0-9A-Z]{16}",
    "https://models.example:8443/v1?user=a@b",
    "the-quick-brown-fox-jumps-over-the-lazy-dog-again",
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
    "sk-x",
    "InvokeModelWithResponseStream",
    "My-Company-Prod-Account-2024-EU-West-1-Key",
    "/opt/Keepstone/Production2024/secrets/bedrock/token1",
    "https://gateway.example/v1/AccountTag2024/openai/deployments/GptLarge",
    "550e8400-e29b-41d4-a716-446655440000",
]


@pytest.mark.parametrize("token", FAKE.values(), ids=FAKE)
def test_it_is_refused_as_a_value_and_not_repeated(token: str) -> None:
    assert looks_like_credential(token)
    _assert_refused(MINIMAL.replace("name: Acme", f'name: "{token}"'), token)


@pytest.mark.parametrize("token", FAKE.values(), ids=FAKE)
def test_it_is_not_repeated_when_another_problem_stands_on_its_line(token: str) -> None:
    _assert_refused(MINIMAL.replace("name: Acme", f'nam: "{token}"'), token)
    _assert_refused(MINIMAL.replace("name: Acme", f'name: ["{token}"'), token)
    _assert_refused(MINIMAL.replace("{name: Acme}", f'"{token}"'), token)
    _assert_refused(MINIMAL.replace("kind: dev", f'kind: "{token}"'), token)
    _assert_refused(MINIMAL.replace("engineer:", f'"{token}":'), token)


@pytest.mark.parametrize("token", [FAKE[each] for each in ("AWS access key", "GitHub", "private key")])
def test_known_tokens_are_refused_in_comments_too(token: str) -> None:
    _assert_refused(MINIMAL + f"# was: {token}\n", token)


@pytest.mark.parametrize("text", INNOCENT)
def test_ordinary_values_are_not(text: str) -> None:
    assert not looks_like_credential(text)
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("line", "shown_as"),
    [
        ("    api_key: hunter2", "    api_key: …"),
        ("{kind: openai, api_key: hunter2}", "{kind: openai, api_key: …"),
        ('"password": "a b"', '"password": …'),
        ("    api_key: {env: OPENAI_KEY}", "    api_key: {env: OPENAI_KEY}"),
        ("    tokens: 200000", "    tokens: 200000"),
        ("      PASSWORD: BLOCK", "      PASSWORD: BLOCK"),
        ("credentials: BLOCK", "credentials: BLOCK"),
    ],
)
def test_a_shown_line_keeps_the_value_of_a_secret_field_back(line: str, shown_as: str) -> None:
    assert redacted(line) == shown_as


def test_a_shown_value_is_one_short_line() -> None:
    assert shown("a\nb\x1b[31m") == "a·b·[31m"
    assert len(shown("word " * 100)) == 48


def _assert_refused(text: str, token: str) -> None:
    assert problems_of(text)
    with pytest.raises(InvalidPolicyError) as caught:
        load_texts([("keepstone.yaml", text.encode())])
    told = f"{caught.value} {caught.value.hint} {caught.value.problems}"
    assert token not in told
    assert token[4:-4] not in told


@pytest.mark.slow
@pytest.mark.parametrize("part", ["eyJa", "sk-", "://a:", "token", "AKIA", "Aa1-", "/Aa1", "ghp_", "a_key: "])
def test_a_long_line_is_judged_at_once(part: str) -> None:
    line = part * (500_000 // len(part))
    started = time.process_time()
    looks_like_credential(line)
    problems_of(f"{line}\n")
    assert time.process_time() - started < 5


def test_a_public_key_is_no_credential_and_what_only_looks_like_one_is() -> None:
    raw = bytes([4]) + bytes(range(100, 132))
    encoded = base64.b64encode(raw).decode()
    stated = sha256(b"w1\n" + raw).hexdigest()[:8]
    assert not looks_like_credential(f"w1+{stated}+{encoded}")
    assert looks_like_credential(f"w2+{stated}+{encoded}")
    assert looks_like_credential(encoded)
