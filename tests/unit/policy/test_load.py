"""Each fault of a document is told with its line, its column, its path and what to do."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.policy.cases import load_cases
from keepstone.policy.load import load, load_files, load_texts, overlay_path
from keepstone.policy.problems import InvalidPolicyError, Severity
from tests.unit.policy.documents import MINIMAL, loaded, problems_of

# (replace this, with that) in MINIMAL -> `severity line:column path`, words of message and hint
VARIED = {
    "unknown field": ("name: Acme", "nam: Acme", "error 2:16 organisation.nam", "unknown field `nam`"),
    "unknown upstream": ("[dev]", "[dve]", "error 12:17 models[0].upstreams[0]", "did you mean `dev`?"),
    "wrong version": ("version: 1", "version: 2", "error 1:10 version", "`2` is not a choice"),
    "boolean version": ("version: 1", "version: true", "error 1:10 version", "not a choice"),
    "quoted version": ("version: 1", "version: '1'", "error 1:10 version", "not a choice"),
    "number as text": ("Acme", "2024", "error 2:22 organisation.name", "put the value in quotes"),
    "null name": ("Acme", "~", "error 2:22 organisation.name", "expected text, got nothing"),
    "text as list": (
        '["anthropic.*"]',
        "anthropic.*",
        "error 7:19 identities.roles.engineer.allow[0].models",
        "expected a list, got text",
    ),
    "bad kind": ("kind: dev", "kind: bedrok", "error 9:15 upstreams.dev.kind", "did you mean `bedrock`?"),
    "no kind": ("{kind: dev}", "{attempts: 1}", "error 9:8 upstreams.dev", "`kind` is missing"),
    "field of another kind": (
        "{kind: dev}",
        "{kind: dev, profile: acme}",
        "error 9:20 upstreams.dev.profile",
        "unknown field",
    ),
    "out of bounds": (
        "{kind: dev}",
        "{kind: dev, attempts: 9}",
        "error 9:30 upstreams.dev.attempts",
        "from 1 to 5, got `9`",
    ),
    "underscored number": (
        "{kind: dev}",
        "{kind: dev, attempts: 1_0}",
        "error 9:30 upstreams.dev.attempts",
        "decimal digits only",
    ),
    "octal number": (
        "{kind: dev}",
        "{kind: dev, attempts: 01}",
        "error 9:30 upstreams.dev.attempts",
        "decimal digits only",
    ),
    "boolean as number": (
        "{kind: dev}",
        "{kind: dev, attempts: true}",
        "error 9:30 upstreams.dev.attempts",
        "the boolean `true`",
    ),
    "bad duration": (
        "{kind: dev}",
        "{kind: dev, timeout: 0s}",
        "error 9:29 upstreams.dev.timeout",
        "expected form",
    ),
    "bad role name": ("engineer:", "Engineer:", "error 5:5 identities.roles.Engineer", "expected form"),
    "plain secret": (
        "{kind: dev}",
        "{kind: openai, base_url: 'https://a.example/v1', api_key: hunter2}",
        "error 9:66 upstreams.dev.api_key",
        "{env: NAME}",
    ),
    "two secrets": (
        "{kind: dev}",
        "{kind: openai, base_url: 'https://a.example', api_key: {env: A, file: b}}",
        "error 9:63 upstreams.dev.api_key",
        "got both",
    ),
    "no secret": (
        "{kind: dev}",
        "{kind: openai, base_url: 'https://a.example', api_key: {}}",
        "error 9:63 upstreams.dev.api_key",
        "got neither",
    ),
    "plain http": (
        "{kind: dev}",
        "{kind: openai, base_url: 'http://a.example/v1'}",
        "warning 9:33 upstreams.dev.base_url",
        "unencrypted",
    ),
    "unreadable url": (
        "{kind: dev}",
        "{kind: openai, base_url: 'http://[::1/v1'}",
        "error 9:33 upstreams.dev.base_url",
        "not a URL",
    ),
    "rule without model": (
        '["anthropic.*"]',
        '["anthropic.*", "cohere.*"]',
        "warning 7:35 identities.roles.engineer.allow[0].models[1]",
        "matches no model: `cohere.*`",
    ),
    "keys live too long": (
        "  roles:",
        "  keys: {default_lifetime: 90d, max_lifetime: 30d}\n  roles:",
        "error 4:28 identities.keys.default_lifetime",
        "longer than `max_lifetime`",
    ),
    "token and profile": (
        "{kind: dev}",
        "{kind: bedrock, region: us-east-1, profile: a, bearer_token: {env: B}}",
        "error 9:52 upstreams.dev.profile",
        "exclude each other",
    ),
    "upstream twice": ("[dev]", "[dev, dev]", "warning 12:22 models[0].upstreams[1]", "listed twice"),
    "url with a query": (
        "{kind: dev}",
        "{kind: openai, base_url: 'https://a.example/v1?key=1'}",
        "error 9:33 upstreams.dev.base_url",
        "without user, query and fragment",
    ),
    "url with a blank": (
        "{kind: dev}",
        "{kind: bedrock, region: us-east-1, endpoint_url: 'https://a b'}",
        "error 9:57 upstreams.dev.endpoint_url",
        "not a URL",
    ),
    "loopback by name only": (
        "{kind: dev}",
        "{kind: openai, base_url: 'http://localhost.example/v1'}",
        "warning 9:33 upstreams.dev.base_url",
        "unencrypted",
    ),
    "script without a script": (
        "{kind: dev}",
        "{kind: dev, behaviour: scripted}",
        "warning 9:31 upstreams.dev.behaviour",
        "has no `script`",
    ),
    "role that allows nothing": (
        "  roles:",
        "  roles:\n    idle: {description: nothing}",
        "warning 5:11 identities.roles.idle",
        "allows nothing",
    ),
    "denial of no model": (
        "      allow:",
        "      deny: [{models: ['cohere.*']}]\n      allow:",
        "warning 6:24 identities.roles.engineer.deny[0].models[0]",
        "deny rule matches no model",
    ),
    "unused upstream": (
        "  dev: {kind: dev}",
        "  dev: {kind: dev}\n  spare: {kind: dev}",
        "warning 10:10 upstreams.spare",
        "used by no model",
    ),
    "model for nobody": (
        "models:\n",
        "models:\n  - {id: cohere.x, upstreams: [dev]}\n",
        "warning 11:10 models[0].id",
        "no role may use",
    ),
    "connect longer than all": (
        "{kind: dev}",
        "{kind: dev, connect_timeout: 5m}",
        "error 9:37 upstreams.dev.connect_timeout",
        "longer than `timeout`",
    ),
}

# text added at the end of MINIMAL, from line 13 on
ADDED = {
    "unknown role of masks": (
        "guardrails: {default: {masking: {style: surrogate, restore_to: [nobody]}}}\n",
        "error 13:65 guardrails.default.masking.restore_to[0]",
        "unknown role `nobody`",
    ),
    "no way back": (
        "guardrails: {default: {masking: {restore_to: ['*']}}}\n",
        "error 13:46 guardrails.default.masking.restore_to",
        "nothing can be restored",
    ),
    "masks behind": (
        "guardrails: {default: {pii: {EMAIL: ANONYMIZE}, stream: async}}\n",
        "warning 13:57 guardrails.default.stream",
        "nothing in it is masked",
    ),
    "unknown guardrail": ("    guardrail: defualt\n", "error 13:16 models[0].guardrail", "`default`?"),
    "duplicate model": (
        "  - {id: anthropic.*, upstreams: [dev]}\n",
        "error 13:10 models[1].id",
        "duplicate model",
    ),
    "unreached clearance": (
        "    max_data_class: Confidential\n",
        "warning 13:21 models[0].max_data_class",
        "no role may use it above Internal",
    ),
    "unguarded restricted": (
        "    max_data_class: Restricted\n",
        "error 13:21 models[0].max_data_class",
        "acts on no personal data",
    ),
    "data class in lower case": (
        "    max_data_class: internal\n",
        "error 13:21 models[0].max_data_class",
        "did you mean `Internal`?",
    ),
    "pattern twice": (
        "guardrails: {default: {regexes: [{name: x, pattern: a}, {name: x, pattern: b}]}}\n",
        "error 13:64 guardrails.default.regexes[1].name",
        "duplicate pattern name",
    ),
    "limit of no model": (
        "limits: [{name: x, requests: 1, models: ['cohere.*']}]\n",
        "warning 13:42 limits[0].models[0]",
        "matches no model",
    ),
    "no credentials for restricted": (
        "    max_data_class: Restricted\nguardrails: {default: {pii: {EMAIL: BLOCK}, credentials: NONE}}\n",
        "error 13:21 models[0].max_data_class",
        "acts on no credentials",
    ),
    "unknown upstream id": (
        "    upstream_ids: {dve: x}\n",
        "error 13:25 models[0].upstream_ids.dve",
        "did you mean `dev`?",
    ),
    "unused guardrail": (
        "guardrails: {default: {}, extra: {}}\n",
        "warning 13:34 guardrails.extra",
        "used by no model",
    ),
    "bad regex": (
        "guardrails: {default: {regexes: [{name: x, pattern: 'a(?=b)'}]}}\n",
        "error 13:53 guardrails.default.regexes[0].pattern",
        "RE2",
    ),
    "empty regex": (
        "guardrails: {default: {regexes: [{name: x, pattern: 'a*'}]}}\n",
        "error 13:53 guardrails.default.regexes[0].pattern",
        "matches empty text",
    ),
    "empty word": (
        "guardrails: {default: {words: [' ']}}\n",
        "error 13:32 guardrails.default.words[0]",
        "1 to 100 characters",
    ),
    "bad pii action": (
        "guardrails: {default: {pii: {EMAIL: MASK}}}\n",
        "error 13:37 guardrails.default.pii.EMAIL",
        "`ANONYMIZE`",
    ),
    "bad pii type": (
        "guardrails: {default: {pii: {EMIAL: BLOCK}}}\n",
        "error 13:30 guardrails.default.pii.EMIAL",
        "did you mean `EMAIL`?",
    ),
    "boolean action": (
        "guardrails: {default: {credentials: true}}\n",
        "error 13:37 guardrails.default.credentials",
        "in quotes",
    ),
    "limit of nothing": ("limits:\n  - name: x\n", "error 14:5 limits[0]", "limits nothing"),
    "limit of unknown role": (
        "limits: [{name: x, requests: 1, roles: [enginer]}]\n",
        "error 13:41 limits[0].roles[0]",
        "did you mean `engineer`?",
    ),
    "limit twice": (
        "limits: [{name: x, requests: 1}, {name: x, tokens: 1}]\n",
        "error 13:41 limits[1].name",
        "duplicate limit",
    ),
    "limit of a year": (
        "limits: [{name: x, requests: 1, window: 365d}]\n",
        "error 13:41 limits[0].window",
        "31d",
    ),
    "content without a subject's name": (
        "retention: {content: encrypted, subject: {source: header}}\n",
        "error 13:42 retention.subject.name",
        "the name of the header",
    ),
    "a secret as a subject": (
        "retention: {subject: {source: header, name: Authorization}}\n",
        "error 13:45 retention.subject.name",
        "holds a secret",
    ),
    "a name that means nothing": (
        "retention: {subject: {source: tenant, name: x}}\n",
        "error 13:45 retention.subject.name",
        "no meaning",
    ),
    "a copy over plain HTTP": (
        "record: {store: {kind: s3, bucket: acme-ledger, endpoint_url: 'http://s3.example'}}\n",
        "error 13:63 record.store.endpoint_url",
        "unencrypted",
    ),
    "an anchor that goes with the copy": (
        "record: {store: {kind: s3, bucket: one}, anchors: [{kind: s3, bucket: one}]}\n",
        "error 13:51 record.anchors",
        "anchors nothing",
    ),
    "anchored too seldom": (
        "record: {anchor_every: 30d}\n",
        "error 13:24 record.anchor_every",
        "at most `1d`",
    ),
    "content that outlives its records": (
        "retention: {content: encrypted, content_days: 30, ledger_days: 7}\n",
        "error 13:47 retention.content_days",
        "at most `ledger_days`",
    ),
    "lossy record": (
        "record: {durability: bounded, window: 5s}\n",
        "error 13:39 record.window",
        "at most `1s`",
    ),
    "unknown section": ("upstreams2: {}\n", "error 13:1 upstreams2", "did you mean `upstreams`?"),
}


def _assert_told(text: str, expected: str, words: str) -> None:
    told = {f"{each.severity} {each.line}:{each.column} {each.path}": each for each in problems_of(text)}
    assert expected in told
    found = told[expected]
    assert words in f"{found.message}; {found.hint}"
    excerpt, caret = found.excerpt.split("\n")
    assert len(excerpt) >= caret.index("^") == len("      | ") + found.column - 1


@pytest.mark.parametrize("row", VARIED.values(), ids=VARIED)
def test_a_varied_document_is_told_where_it_is_wrong(row: tuple) -> None:
    old, new, *expected = row
    assert old in MINIMAL
    _assert_told(MINIMAL.replace(old, new, 1), *expected)


@pytest.mark.parametrize("row", ADDED.values(), ids=ADDED)
def test_an_added_part_is_told_where_it_is_wrong(row: tuple) -> None:
    added, *expected = row
    _assert_told(MINIMAL + added, *expected)


def test_the_minimal_document_has_no_problem() -> None:
    assert problems_of(MINIMAL) == ()


def test_a_missing_field_is_told_at_its_parent() -> None:
    (problem,) = problems_of(MINIMAL.replace("    upstreams: [dev]\n", ""))
    assert (problem.line, problem.path) == (11, "models[0]")
    assert "`upstreams` is missing" in problem.message


def test_all_problems_of_shape_and_syntax_are_told_at_once() -> None:
    text = MINIMAL.replace("name: Acme", "name: 1, name: 2").replace("kind: dev", "kind: dev, retrials: 2")
    messages = [each.message for each in problems_of(text + "modles: []\n")]
    assert messages == [
        "duplicate key `name`",
        "expected text, got the number `1`",
        "unknown field `retrials`",
        "unknown field `modles`",
    ]


def test_all_problems_of_meaning_are_told_at_once() -> None:
    text = MINIMAL.replace("[dev]", "[nope]") + "    guardrail: nope\nlimits: [{name: x, roles: [nope]}]\n"
    errors = [each for each in problems_of(text) if each.severity is Severity.ERROR]
    assert {each.path for each in errors} == {
        "models[0].upstreams[0]", "models[0].guardrail", "limits[0]", "limits[0].roles[0]"
    }  # fmt: skip


def test_a_plain_secret_is_never_repeated() -> None:
    text = MINIMAL.replace("{kind: dev}", "{kind: openai, base_url: 'https://a.example', api_key: hunter2}")
    error = _refusal(text)
    assert "hunter2" not in f"{error} {error.hint} {error.problems}"


def _refusal(text: str) -> InvalidPolicyError:
    with pytest.raises(InvalidPolicyError) as caught:
        loaded(text)
    return caught.value


class TestOverlay:
    def test_maps_merge_and_models_merge_by_id(self, tmp_path: Path) -> None:
        (tmp_path / "keepstone.yaml").write_text(MINIMAL)
        (tmp_path / "keepstone.prod.yaml").write_text(
            "organisation: {use_case: tests}\nmodels:\n  - {id: anthropic.*, max_data_class: Public}\n"
            "  - {id: anthropic.x, upstreams: [dev]}\n"
        )
        policy = load(tmp_path / "keepstone.yaml", "prod")
        paths = tmp_path / "keepstone.yaml", tmp_path / "keepstone.prod.yaml"
        assert policy.files == tuple((str(path), path.read_bytes()) for path in paths)
        assert load_files(policy.files) == policy
        assert (policy.document.organisation.name, policy.document.organisation.use_case) == ("Acme", "tests")
        assert [(m.id, m.upstreams, m.max_data_class) for m in policy.document.models] == [
            ("anthropic.*", ("dev",), "Public"),
            ("anthropic.x", ("dev",), "Internal"),
        ]

    def test_limits_merge_by_name_and_other_lists_replace(self) -> None:
        base = MINIMAL + "limits: [{name: a, requests: 1}]\n"
        base = base.replace("Acme", "Acme, jurisdictions: [NO, EU]")
        over = "limits: [{name: a, tokens: 5}, {name: b, tokens: 6}]\norganisation: {jurisdictions: [DE]}\n"
        assert problems_of(base, over) == ()
        document, _ = load_texts([("a", base.encode()), ("b", over.encode())])
        assert [(x.name, x.requests, x.tokens) for x in document.limits] == [("a", 1, 5), ("b", None, 6)]
        assert document.organisation.jurisdictions == ("DE",)

    def test_an_entry_twice_in_an_overlay_is_told(self) -> None:
        over = "models:\n  - {id: anthropic.*, guardrail: default}\n  - {id: anthropic.*, upstreams: [dev]}\n"
        assert [each.message for each in problems_of(MINIMAL, over)] == ["duplicate model id `anthropic.*`"]

    def test_an_upstream_of_another_kind_replaces_the_first(self) -> None:
        base = MINIMAL.replace("{kind: dev}", "{kind: bedrock, region: us-east-1}")
        assert problems_of(base, "upstreams: {dev: {kind: dev}}\n") == ()

    def test_a_problem_points_into_the_file_it_comes_from(self) -> None:
        problem, *_ = problems_of(MINIMAL, "models:\n  - id: anthropic.*\n    upstreams: [nope]\n")
        assert problem.position == "keepstone.0.yaml:3:17"

    def test_a_missing_overlay_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "keepstone.yaml").write_text(MINIMAL)
        with pytest.raises(InvalidPolicyError, match="does not exist"):
            load(tmp_path / "keepstone.yaml", "prod")

    @pytest.mark.parametrize("name", ["../etc", "a/b", "PROD", "a.b", "\x00", "-x", "a" * 40])
    def test_an_environment_is_a_plain_word(self, name: str) -> None:
        with pytest.raises(InvalidPolicyError, match="plain lower-case word"):
            overlay_path(Path("keepstone.yaml"), name)


class TestFiles:
    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidPolicyError, match="cannot be read"):
            load(tmp_path)

    def test_a_path_with_nul_is_refused(self) -> None:
        with pytest.raises(InvalidPolicyError, match="cannot be read"):
            load(Path("a\x00b"))


class TestHash:
    def test_comments_and_the_order_of_keys_do_not_change_it(self) -> None:
        lines = MINIMAL.split("models:\n  - id")
        turned = f"# a comment\nmodels:\n  - id{lines[1]}{lines[0]}"
        assert loaded(turned).hash == loaded(MINIMAL).hash

    def test_a_default_written_out_does_not_change_it(self) -> None:
        assert loaded(MINIMAL + "record: {durability: strict}\n").hash == loaded(MINIMAL).hash

    @given(seed=st.integers(0, 2**32))
    def test_any_order_of_keys_gives_one_hash(self, seed: int) -> None:
        sections = ["version: 1\n", "organisation: {name: Acme}\n"]
        sections += ["identities:" + MINIMAL.split("identities:")[1].split("upstreams:\n  dev")[0]]
        sections += ["upstreams:\n  dev: {kind: dev}\n", "models:" + MINIMAL.split("\nmodels:")[1]]
        random.Random(seed).shuffle(sections)
        assert loaded("".join(sections)).hash == loaded(MINIMAL).hash

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Acme", "Acme2"),
            ("engineer", "engineers"),
            ('["anthropic.*"]', '["anthropic.c*"]'),
            ("{kind: dev}", "{kind: dev, attempts: 3}"),
            ("- id: anthropic.*", "- id: anthropic.c*"),
            ("version: 1", "version: 1\nrecord: {durability: bounded}"),
            ("version: 1", "version: 1\nretention: {ledger_days: 401}"),
        ],
    )
    def test_any_changed_value_changes_it(self, old: str, new: str) -> None:
        assert loaded(MINIMAL.replace(old, new, 1)).hash != loaded(MINIMAL).hash


REMEDIES = {
    "no policy": (None, None, "keepstone.yaml", "`keepstone init` writes"),
    "an empty policy": ("# nothing\n", None, "keepstone.yaml", "`keepstone init` writes"),
    "a list for a policy": ("[1]\n", None, "keepstone.yaml", "start with `version: 1`"),
    "no overlay": (MINIMAL, None, "keepstone.prod.yaml", "or leave the environment out"),
    "an empty overlay": (MINIMAL, "\n", "keepstone.prod.yaml", "write what differs in this environment"),
    "a null overlay": (MINIMAL, "~\n", "keepstone.prod.yaml", "write what differs in this environment"),
    "a list for an overlay": (MINIMAL, "[1]\n", "keepstone.prod.yaml", "write what differs in this"),
}


@pytest.mark.parametrize("row", REMEDIES.values(), ids=REMEDIES)
def test_the_remedy_fits_the_file(tmp_path: Path, row: tuple[str | None, str | None, str, str]) -> None:
    policy, overlay, file, hint = row
    for name, text in (("keepstone.yaml", policy), ("keepstone.prod.yaml", overlay)):
        if text is not None:
            (tmp_path / name).write_text(text)
    with pytest.raises(InvalidPolicyError) as caught:
        load(tmp_path / "keepstone.yaml", "prod" if "prod" in file else "")
    (found,) = caught.value.problems
    assert (Path(found.file).name, "keepstone init" in found.hint) == (file, "keepstone init" in hint)
    assert hint in found.hint


@pytest.mark.parametrize("text", [None, "", "~\n", "[1]\n"])
def test_a_table_of_cases_is_not_taken_for_a_policy(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "policy-tests.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidPolicyError, match="the table of cases is not valid") as caught:
        load_cases(file)
    (found,) = caught.value.problems
    assert "keepstone init" not in found.hint
    assert "`cases:`" in found.hint or text is None
