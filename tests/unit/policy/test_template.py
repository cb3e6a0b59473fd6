"""Every first policy that the questions can lead to is valid, warning-free and proportionate."""

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.compile import compile_policy
from keepstone.policy.duration import parse_duration
from keepstone.policy.load import load_texts
from keepstone.policy.rules import CallFacts
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import Action, PiiType
from keepstone.policy.template import Answers, UpstreamKind, UseCase, default_policy, render
from tests.laws import examples
from tests.unit.policy.documents import problems_of

JURISDICTIONS = [(), ("NO",), ("EU", "GB"), ("US-CA", "CA")]
REGIONS = ["us-east-1", "us-gov-west-1", "eu-central-1", "ap-southeast-2", "ca-central-1", "sa-east-1"]
URLS = ["http://127.0.0.1:11434/v1", "http://localhost:8000/v1", "https://models.example/v1"]


def policy_of(answers: Answers) -> Policy:
    document, warnings = load_texts([("keepstone.yaml", render(answers).encode())])
    assert warnings == ()
    return document


def of_policy(answers: Answers) -> tuple[object, ...]:
    """What the policy that is written says of the answers."""
    document = policy_of(answers)
    (ceiling,) = {each.max_data_class for each in document.models}
    said = document.organisation
    return said.scoping_matrix, said.jurisdictions, document.data.default_class, ceiling


def expected(answers: Answers) -> tuple[object, ...]:
    label = answers.data_class.label
    return answers.scope, answers.jurisdictions, label, label


@pytest.mark.parametrize("use_case", UseCase)
@pytest.mark.parametrize("data_class", DataClass)
def test_each_choice_gives_a_valid_policy(use_case: UseCase, data_class: DataClass) -> None:
    for scope, upstream in zip(
        (1 + data_class, 5 - data_class), (UpstreamKind.DEV, UpstreamKind.BEDROCK), strict=True
    ):
        answers = Answers("Acme", use_case, data_class, JURISDICTIONS[data_class], scope, upstream)
        assert of_policy(answers) == expected(answers)


@pytest.mark.slow
def test_all_combinations_of_choices_give_a_valid_policy() -> None:
    for choices in product(["Acme"], UseCase, DataClass, JURISDICTIONS, range(1, 6), UpstreamKind):
        answers = Answers(*choices)
        assert of_policy(answers) == expected(answers)


@pytest.mark.parametrize("jurisdictions", JURISDICTIONS)
@pytest.mark.parametrize("region", REGIONS)
def test_every_region_gives_a_valid_policy(region: str, jurisdictions: tuple[str, ...]) -> None:
    document = policy_of(
        Answers(upstream=UpstreamKind.BEDROCK, region=region, jurisdictions=jurisdictions, schema="./s.json")
    )
    geographies = {each.id.partition(".")[0] for each in document.models} - {"anthropic", "amazon"}
    expected = {
        "us-east-1": {"us"},
        "us-gov-west-1": {"us-gov"},
        "eu-central-1": {"eu"},
        "ap-southeast-2": {"apac"},
    }
    assert geographies == expected.get(region, set())


@pytest.mark.parametrize("url", URLS)
def test_every_local_or_encrypted_url_gives_a_valid_policy(url: str) -> None:
    (upstream,) = policy_of(Answers(upstream=UpstreamKind.OPENAI, url=url)).upstreams.values()
    assert (upstream.base_url, upstream.api_key is None) == (url, not url.startswith("https"))


@settings(max_examples=examples(40), deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=30))
def test_any_name_of_an_organisation_is_kept(name: str) -> None:
    if "\ufeff" not in name and name.strip():
        assert policy_of(Answers(organisation=name)).organisation.name == name


@pytest.mark.parametrize("answers", [Answers(region="x\ny: 1", upstream=UpstreamKind.BEDROCK),
                                     Answers(jurisdictions=("EU], y: [",))])  # fmt: skip
def test_an_answer_cannot_add_to_the_document(answers: Answers) -> None:
    paths = {each.path for each in problems_of(render(answers))}
    assert paths in ({"upstreams.bedrock.region"}, {"organisation.jurisdictions[0]"})


def test_more_sensitive_data_means_stricter_rules() -> None:
    documents = [policy_of(Answers(data_class=each)) for each in DataClass]
    for looser, stricter in pairwise(documents):
        assert stricter.limits[0].requests < looser.limits[0].requests
        assert _life(stricter) <= _life(looser)
        assert set(looser.guardrails["default"].pii) <= set(stricter.guardrails["default"].pii)
    strictest = documents[-1].guardrails["default"]
    assert (strictest.stream, strictest.injection.strength) == ("buffered", "HIGH")
    assert _life(documents[-1]) < _life(documents[0])


def _life(document: Policy) -> int:
    return parse_duration(document.identities.keys.default_lifetime)


def test_a_jurisdiction_adds_its_own_numbers() -> None:
    pii = policy_of(Answers(jurisdictions=("GB", "CA-QC"))).guardrails["default"].pii
    assert {PiiType.UK_NATIONAL_INSURANCE_NUMBER, PiiType.CA_HEALTH_NUMBER} <= set(pii)
    assert PiiType.US_PASSPORT_NUMBER not in pii


class TestDefaultPolicy:
    def test_it_is_valid_and_comes_from_no_file(self) -> None:
        assert [name for name, _ in default_policy().files] == ["built-in"]
        assert default_policy().warnings == ()

    @pytest.mark.parametrize(
        ("role", "operation", "data_class", "allowed"),
        [
            ("admin", Operation.INVOKE_MODEL, DataClass.RESTRICTED, True),
            ("application", Operation.INVOKE_MODEL_STREAM, DataClass.CONFIDENTIAL, True),
            ("application", Operation.CONVERSE, DataClass.RESTRICTED, False),
            ("analyst", Operation.CONVERSE, DataClass.INTERNAL, True),
            ("analyst", Operation.INVOKE_MODEL, DataClass.INTERNAL, False),
            ("nobody", Operation.CONVERSE, DataClass.PUBLIC, False),
        ],
    )
    def test_its_roles(self, role: str, operation: Operation, data_class: DataClass, allowed: bool) -> None:
        facts = CallFacts(Principal("p", "key", (role,)), operation, "keepstone.dev", data_class)
        assert compile_policy(default_policy()).admit(facts).allowed == allowed

    def test_its_masks_blocks_and_limits(self) -> None:
        document = default_policy().document
        guardrail = document.guardrails["default"]
        assert (
            guardrail.pii[PiiType.EMAIL]
            is guardrail.pii[PiiType.US_SOCIAL_SECURITY_NUMBER]
            is Action.ANONYMIZE
        )
        assert (guardrail.credentials, guardrail.injection.action) == ("BLOCK", "BLOCK")
        assert [(x.scope, x.window, x.requests, x.tokens) for x in document.limits] == [
            ("principal", "1m", 600, 200_000)
        ]


def test_the_development_model_is_named_so_that_listings_show_it() -> None:
    assert [each.id for each in policy_of(Answers()).models] == ["keepstone.dev"]
    assert [each.id for each in default_policy().document.models] == ["keepstone.dev"]
