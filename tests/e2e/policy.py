"""The policy of the end-to-end tests: the model id's prefix chooses the upstream, the rest the family."""

SIGNED, BEARER, DEV, FAILOVER = "", "us.", "apac.", "eu."
"""Prefixes: Bedrock by SigV4, Bedrock by bearer token, the development model, one that fails over."""

REVERSIBLE, WATCHFUL, HASTY = "global.", "au.", "us-gov."
"""Prefixes: masked reversibly for applications, answers must not repeat the prompt, scanned behind."""

CHAT = "simulated-chat"
"""The model of the OpenAI-compatible server."""

MAX_BODY = 400_000
BLOCKED_TEXT = "I'm sorry, but I can't assist with that request."


def document(bedrock: str, openai: str, *, extra: str = "", timeout: str = "2s") -> str:
    """Return the document; `extra` are more top-level lines."""
    patience = f"connect_timeout: 1s, timeout: {timeout}"
    here = f'region: us-east-1, endpoint_url: "{bedrock}", {patience}'
    signed = "\n".join(
        f'  - {{id: "{family}.*", upstreams: [signed]}}'
        for family in ("anthropic", "amazon", "meta", "mistral", "cohere")
    )
    return f"""\
version: 1
organisation: {{name: End to end}}
identities:
  roles:
    application:
      allow: [{{models: ["*"]}}]
    viewer:
      allow: [{{models: ["*"], max_data_class: Confidential}}]
    narrow:
      allow: [{{models: ["keepstone.*"], operations: [Converse]}}]
      deny: [{{models: ["keepstone.forbidden-*"], because: it is for others}}]
upstreams:
  dev: {{kind: dev}}
  slow: {{kind: dev, behaviour: slow, delay: 300ms}}
  slower: {{kind: dev, behaviour: slow, delay: 2s}}
  failing: {{kind: dev, behaviour: failing, attempts: 1, breaker: "off"}}
  signed: {{kind: bedrock, attempts: 1, {here}}}
  stubborn: {{kind: bedrock, attempts: 3, {here}}}
  bearer: {{kind: bedrock, attempts: 1, bearer_token: {{env: E2E_BEDROCK_TOKEN}}, {here}}}
  chat: {{kind: openai, base_url: "{openai}", api_key: {{env: E2E_OPENAI_KEY}}, attempts: 1, {patience}}}
models:
  - {{id: "keepstone.*", upstreams: [dev]}}
  - {{id: "keepstone.slow", upstreams: [slow]}}
  - {{id: "keepstone.slower", upstreams: [slower]}}
  - {{id: "keepstone.seeing", upstreams: [dev], guardrail: seeing}}
  - {{id: "apac.*", upstreams: [dev]}}
  - {{id: "us.*", upstreams: [bearer]}}
  - {{id: "eu.*", upstreams: [failing, signed]}}
  - {{id: "jp.*", upstreams: [stubborn]}}
  - {{id: "{REVERSIBLE}*", upstreams: [signed], guardrail: reversible}}
  - {{id: "{WATCHFUL}*", upstreams: [signed], guardrail: watchful}}
  - {{id: "{HASTY}*", upstreams: [signed], guardrail: hasty, max_data_class: Confidential}}
  - {{id: "ca.*", upstreams: [signed, dev]}}
  - {{id: "{CHAT}", upstreams: [chat]}}
{signed}
guardrails:
  default:
    pii: {{EMAIL: ANONYMIZE, CREDIT_DEBIT_CARD_NUMBER: BLOCK}}
    words: [project nightjar]
  seeing:
    uninspectable: allow
  reversible:
    pii: {{EMAIL: ANONYMIZE, PASSWORD: ANONYMIZE, PHONE: {{input: ANONYMIZE, output: BLOCK}}}}
    masking: {{style: surrogate, restore_to: [application]}}
  watchful:
    prompt_leak: {{action: BLOCK, words: 6}}
  hasty:
    pii: {{EMAIL: ANONYMIZE}}
    words: [project nightjar]
    stream: async
limits:
  - {{name: scarce, scope: model, models: ["keepstone.scarce-*", "apac.anthropic.scarce-*"], requests: 2}}
  - {{name: few-tokens, scope: model, models: ["keepstone.brief-*"], tokens: 60}}
gateway: {{max_request_bytes: {MAX_BODY}, body_timeout: 1s}}
{extra}
"""
