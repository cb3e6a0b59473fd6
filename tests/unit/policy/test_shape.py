"""The walk over the types finds no fault exactly when msgspec decodes the document."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.policy.problems import Place
from keepstone.policy.schema.document import Policy
from keepstone.policy.shape import faults_of_shape
from keepstone.policy.tree import Node
from tests.laws import examples

FULL: dict[str, Any] = {
    "version": 1,
    "organisation": {"name": "Acme", "scoping_matrix": 3, "jurisdictions": ["NO"]},
    "identities": {
        "roles": {
            "engineer": {
                "allow": [{"models": ["*"], "operations": ["Converse"], "max_data_class": "Internal"}],
                "deny": [{"above": None, "because": "no"}],
            }
        },
        "keys": {"default_lifetime": "1d"},
    },
    "upstreams": {
        "dev": {"kind": "dev", "behaviour": "echo", "script": {"a": "b"}},
        "bedrock": {"kind": "bedrock", "region": "us-east-1", "bearer_token": {"env": "TOKEN"}},
        "openai": {"kind": "openai", "base_url": "https://a.example/v1", "api_key": None},
    },
    "models": [{"id": "*", "upstreams": ["dev"], "upstream_ids": {"dev": "x"}}],
    "guardrails": {
        "default": {
            "pii": {"EMAIL": "BLOCK", "PHONE": {"input": "ANONYMIZE"}},
            "words": ["a", {"text": "b", "action": "NONE"}],
            "regexes": [{"name": "x", "pattern": "y", "action": {"output": "BLOCK"}}],
            "credentials": "NONE",
        }
    },
    "limits": [{"name": "x", "requests": 1, "tokens": None}],
}
STRAY = [
    None,
    True,
    0,
    1,
    -1,
    1.5,
    "",
    "x",
    "Internal",
    "BLOCK",
    "*",
    [],
    ["x"],
    {},
    {"env": "A"},
    {"kind": "dev"},
    10**12,
]


def node_of(value: Any) -> Node:
    place = Place("f", 1, 1)
    if isinstance(value, dict):
        return Node({k: node_of(v) for k, v in value.items()}, place, dict.fromkeys(value, place))
    return Node([node_of(each) for each in value] if isinstance(value, list) else value, place)


def decodes(value: Any) -> bool:
    try:
        msgspec.convert(value, Policy)
    except msgspec.ValidationError:
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, child in pairs for each in places(child, (*path, key)))]


def changed(path: tuple[Any, ...], change: Any) -> Any:
    document = copy.deepcopy(FULL)
    at = document
    for step in path[:-1]:
        at = at[step]
    change(at, path[-1])
    return document


def put(value: Any) -> Any:
    return lambda at, key: at.__setitem__(key, value)


def test_the_full_document_has_no_fault() -> None:
    assert decodes(FULL)
    assert list(faults_of_shape(node_of(FULL))) == []


@settings(max_examples=examples(800), deadline=None)
@given(st.sampled_from(places(FULL)[1:]), st.sampled_from(STRAY))
def test_a_stray_value_is_a_fault_exactly_when_it_does_not_decode(path: tuple[Any, ...], stray: Any) -> None:
    document = changed(path, put(stray))
    faults = list(faults_of_shape(node_of(document)))
    assert bool(faults) != decodes(document), faults


@pytest.mark.parametrize("path", places(FULL)[1:], ids=str)
def test_a_removed_or_renamed_entry_is_a_fault_exactly_when_it_does_not_decode(path: tuple[Any, ...]) -> None:
    for change in (lambda at, key: at.pop(key), lambda at, key: at.update({"Zz": at.pop(key)})):
        if isinstance(path[-1], int):
            continue
        document = changed(path, change)
        faults = list(faults_of_shape(node_of(document)))
        assert bool(faults) != decodes(document), faults
