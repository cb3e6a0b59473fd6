"""The JSON Schema in the docs is the one the types give, and it accepts what the loader accepts."""

import json
from pathlib import Path

import jsonschema
import pytest

from keepstone.policy.schema_json import schema_text
from keepstone.policy.template import Answers, UpstreamKind, default_document, render
from keepstone.policy.tree import Source, parse

DOCS = Path(__file__).parents[3] / "docs"


def plain(text: str) -> dict:
    node, _ = parse(text, Source("f", tuple(text.split("\n"))))
    return node.plain


def test_the_docs_hold_the_current_schema() -> None:
    written = (DOCS / "keepstone.schema.json").read_text()
    assert written == schema_text(), "run `keepstone policy schema > docs/keepstone.schema.json`"


def test_it_is_a_schema_of_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize(
    "text",
    [
        (DOCS / "examples" / "keepstone.yaml").read_text(),
        default_document(),
        *(render(Answers(upstream=each)) for each in UpstreamKind),
    ],
)
def test_it_accepts_valid_policies(text: str) -> None:
    jsonschema.validate(plain(text), json.loads(schema_text()), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"modles": []}, {"models": []}, {"upstreams": {"dev": {"kind": "dve"}}}]
)
def test_it_refuses_what_the_loader_refuses(change: dict) -> None:
    document = {**plain(default_document()), **change}
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert not validator.is_valid(document)


def test_every_part_tells_editors_what_it_is() -> None:
    parts = json.loads(schema_text())["$defs"]
    assert all(each["title"] and each["description"].endswith(".") for each in parts.values())
