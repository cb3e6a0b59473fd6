"""A first policy from a few answers: proportionate defaults, each with its reason beside it.

`render` is pure and its text always passes `keepstone policy check` without a warning; a test walks all
combinations of answers. The text is meant to be read and edited by people, so it is laid out, not dumped.
"""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from keepstone.core.exchange import DataClass
from keepstone.policy.load import LoadedPolicy, load_files
from keepstone.policy.template_guard import guardrail_section


class UseCase(StrEnum):
    """What the models are used for."""

    CHAT = "chat"
    COPILOT = "copilot"
    SUPPORT = "support"
    DOCUMENTS = "documents"
    AGENTS = "agents"


class UpstreamKind(StrEnum):
    """Where the calls go."""

    DEV = "dev"
    BEDROCK = "bedrock"
    OPENAI = "openai"


@dataclass(frozen=True, slots=True)
class Answers:
    """What `keepstone init` asks; `region` and `url` matter for their own kind of upstream only."""

    organisation: str = "My organisation"
    use_case: UseCase = UseCase.CHAT
    data_class: DataClass = DataClass.INTERNAL
    jurisdictions: tuple[str, ...] = ()
    scope: int = 3
    upstream: UpstreamKind = UpstreamKind.DEV
    region: str = "eu-central-1"
    url: str = "http://127.0.0.1:11434/v1"
    schema: str = ""


@dataclass(frozen=True, slots=True)
class _Proportion:
    """What follows from the class of the data."""

    requests: int
    tokens: int
    key_life: str
    longest_key_life: str
    ledger_days: int


_PROPORTION = {
    DataClass.PUBLIC: _Proportion(1200, 400_000, "90d", "365d", 400),
    DataClass.INTERNAL: _Proportion(600, 200_000, "90d", "365d", 400),
    DataClass.CONFIDENTIAL: _Proportion(300, 100_000, "60d", "180d", 730),
    DataClass.RESTRICTED: _Proportion(120, 50_000, "30d", "90d", 730),
}

_PURPOSE = {
    UseCase.CHAT: "chat assistant",
    UseCase.COPILOT: "internal copilot",
    UseCase.SUPPORT: "customer support",
    UseCase.DOCUMENTS: "document analysis",
    UseCase.AGENTS: "agents that use tools",
}

CALLER = {
    UseCase.CHAT: ("application", "the assistant's back end"),
    UseCase.COPILOT: ("employee", "people who use the copilot"),
    UseCase.SUPPORT: ("support-desk", "the support desk's software"),
    UseCase.DOCUMENTS: ("pipeline", "jobs that read documents"),
    UseCase.AGENTS: ("agent", "agents, which act without a person watching each step"),
}

_CALLS = ["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream", "CountTokens"]
_CHECKS_TEXT_ALONE = (UseCase.SUPPORT, UseCase.DOCUMENTS)

_SCOPES = {
    1: "1, a consumer application",
    2: "2, an enterprise application",
    3: "3, an application on a pre-trained model",
    4: "4, a model fine-tuned on your data",
    5: "5, a model trained on your data",
}


def render(answers: Answers) -> str:
    """Return the text of a policy for the answers."""
    parts = [
        _head(answers),
        _identities(answers, CALLER[answers.use_case], top=answers.data_class, ceiling=answers.data_class),
        _models(answers),
        guardrail_section(answers.data_class, answers.jurisdictions, trained_on_own_data=answers.scope >= 4),
        _bounds(answers),
    ]
    return "\n".join(parts)


def default_document() -> str:
    """Return the policy that serves when there is none: the development model, roles, masks, limits."""
    caller = ("application", "programs under development")
    answers, restricted = Answers(), DataClass.RESTRICTED
    return "\n".join(
        [
            _head(answers),
            _identities(answers, caller, top=restricted, ceiling=DataClass.CONFIDENTIAL),
            _models(replace(answers, data_class=restricted)),
            guardrail_section(answers.data_class, (), trained_on_own_data=False),
            _bounds(answers),
        ]
    )


def default_policy() -> LoadedPolicy:
    """Return `default_document` loaded; it comes from no file."""
    return load_files((("built-in", default_document().encode()),))


def _head(answers: Answers) -> str:
    hint = f"# yaml-language-server: $schema={answers.schema}\n" if answers.schema else ""
    return f"""\
{hint}# The policy: who may send what to which model, and what is looked for in the text.
# `keepstone policy check` tells what is wrong with it, `keepstone policy explain` what it means.
# Secrets never stand here: write {{env: NAME}} or {{file: /path}} where one is needed.
version: 1

organisation:
  name: {_quoted(answers.organisation)}
  use_case: {_PURPOSE[answers.use_case]}
  # The AWS Generative AI Security Scoping Matrix: scope {_SCOPES[answers.scope]}.
  scoping_matrix: {answers.scope}
  # Whose law applies: EU, ISO 3166 codes of countries and parts (DE, US-CA).
  jurisdictions: [{", ".join(map(_word, answers.jurisdictions))}]

data:
  # Class of a call that states none in the header X-Keepstone-Data-Class.
  # Public < Internal < Confidential < Restricted
  default_class: {answers.data_class.label}
"""


def _identities(answers: Answers, caller: tuple[str, str], *, top: DataClass, ceiling: DataClass) -> str:
    proportion = _PROPORTION[answers.data_class]
    role, who = caller
    analyst = min(top, max(answers.data_class, DataClass.INTERNAL))
    operations = [*_CALLS, "ApplyGuardrail"] if answers.use_case in _CHECKS_TEXT_ALONE else _CALLS
    return f"""\
identities:
  keys:
    # The more sensitive the data, the sooner a lost key stops working.
    default_lifetime: {proportion.key_life}
    max_lifetime: {proportion.longest_key_life}
  # What a role does not allow is refused; a `deny` rule of any role overrides every `allow`.
  roles:
    admin:
      description: operators of this gateway
      allow:
        - models: ["*"]
          max_data_class: {top.label}
    {role}:
      description: {who}
      allow:
        - models: ["*"]
          operations: [{", ".join(operations)}]
          max_data_class: {ceiling.label}
    analyst:
      description: people who try things out
      allow:
        - models: ["*"]
          operations: [Converse, ConverseStream, CountTokens, ApplyGuardrail]
          max_data_class: {analyst.label}
"""


def _models(answers: Answers) -> str:
    match answers.upstream:
        case UpstreamKind.DEV:
            return _DEV.format(data_class=answers.data_class.label)
        case UpstreamKind.OPENAI:
            local = answers.url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
            key = "" if local else "\n    api_key: {env: UPSTREAM_API_KEY}"
            return _OPENAI.format(url=_quoted(answers.url), key=key, data_class=answers.data_class.label)
        case UpstreamKind.BEDROCK:
            return _bedrock(answers)


def _bedrock(answers: Answers) -> str:
    prefixes = {"us": ["us."], "eu": ["eu."], "ap": ["apac."]}.get(answers.region.partition("-")[0], [])
    if answers.region.startswith("us-gov-"):
        prefixes = ["us-gov."]
    ids = [f"{prefix}{family}" for family in ("anthropic.*", "amazon.nova-*") for prefix in ["", *prefixes]]
    entries = "\n".join(
        f'  - id: "{each}"\n    upstreams: [bedrock]\n    max_data_class: {answers.data_class.label}'
        for each in ids
    )
    return f"""\
upstreams:
  bedrock:
    kind: bedrock
    region: {_word(answers.region)}
    # Calls are signed with the AWS credential chain of this process.

# Inference profiles of other geographies are not listed, so that calls stay where you chose.
models:
{entries}
"""


_DEV = """\
upstreams:
  dev:
    # keepstone.dev answers inside the gateway and says what it is; it is no language model.
    kind: dev
    behaviour: echo

models:
  # Named exactly, so that listings such as /v1/models show it; a pattern such as "keepstone.*" lists nothing.
  - id: keepstone.dev
    upstreams: [dev]
    max_data_class: {data_class}
"""

_OPENAI = """\
upstreams:
  server:
    # Any server of OpenAI chat completions: vLLM, Ollama, llama.cpp.
    kind: openai
    base_url: {url}{key}

# `*` passes every model id on to the server, and listings such as /v1/models stay empty; write ids instead to
# bound them and to list them.
models:
  - id: "*"
    upstreams: [server]
    max_data_class: {data_class}
"""


def _bounds(answers: Answers) -> str:
    proportion = _PROPORTION[answers.data_class]
    return f"""\
limits:
  - name: per-caller
    # Each caller has a window of its own; what goes over gets 429 with Retry-After.
    scope: principal
    window: 1m
    requests: {proportion.requests}
    tokens: {proportion.tokens}

retention:
  # The record holds who, what, when and why; texts of calls are not stored (docs/ledger.md: `content`).
  ledger_days: {proportion.ledger_days}

record:
  # An answer leaves only after its record is on disk.
  durability: strict
"""


def _word(text: str) -> str:
    """Return a plain scalar where the text allows it."""
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text) else _quoted(text)


def _quoted(text: str) -> str:
    """Return text as a double-quoted YAML scalar, which JSON's form is."""
    return json.dumps(text, ensure_ascii=False)
