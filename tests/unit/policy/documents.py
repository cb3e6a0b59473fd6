"""A small valid document to vary, and what the loader says about a text."""

from keepstone.policy.load import LoadedPolicy, hash_of, load_texts
from keepstone.policy.problems import InvalidPolicyError, Problem

MINIMAL = """\
version: 1
organisation: {name: Acme}
identities:
  roles:
    engineer:
      allow:
        - models: ["anthropic.*"]
upstreams:
  dev: {kind: dev}
models:
  - id: anthropic.*
    upstreams: [dev]
"""


def loaded(text: str) -> LoadedPolicy:
    """Load a text that must be valid."""
    document, warnings = load_texts([("keepstone.yaml", text.encode())])
    return LoadedPolicy((), document, hash_of(document), warnings)


def problems_of(text: str | bytes, *overlays: str) -> tuple[Problem, ...]:
    """Return the errors and warnings of a text."""
    raw = text if isinstance(text, bytes) else text.encode()
    files = [("keepstone.yaml", raw)]
    files += [(f"keepstone.{number}.yaml", each.encode()) for number, each in enumerate(overlays)]
    try:
        return load_texts(files)[1]
    except InvalidPolicyError as error:
        return error.problems
