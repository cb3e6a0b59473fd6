"""A plan in short: what changes, which attributes, and what there is costs."""

import json

import pytest

from keepstone.core.errors import DeployError
from keepstone.deploy.changes import Action, Change, read_plan, summarise


def change(address, actions, before=None, after=None, unknown=None):
    return {
        "mode": "managed",
        "address": address,
        "type": address.split(".")[0],
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": unknown or {}},
    }


def plan(*changes, resources=()):
    inner = [{"mode": "managed", "type": kind, "values": values} for kind, values in resources]
    root = {"child_modules": [{"resources": inner}]}
    return {
        "format_version": "1.2",
        "planned_values": {"root_module": root},
        "resource_changes": list(changes),
    }


@pytest.mark.parametrize(
    ("actions", "action"),
    [
        (["create"], Action.CREATE),
        (["update"], Action.UPDATE),
        (["delete"], Action.DESTROY),
        (["delete", "create"], Action.REPLACE),
        (["create", "delete"], Action.REPLACE),
    ],
)
def test_an_action(actions, action) -> None:
    assert summarise(plan(change("a.b", actions))).changes == (Change(action, "a.b", "a", ()),)


@pytest.mark.parametrize("actions", [["no-op"], ["read"]])
def test_what_stays_is_no_change(actions) -> None:
    assert summarise(plan(change("a.b", actions))).changes == ()


def test_attributes_that_change_and_no_others() -> None:
    found = change("a.b", ["update"], {"x": 1, "y": 2, "id": "i"}, {"x": 1, "y": 3}, {"id": True})
    assert summarise(plan(found)).changes[0].attributes == ("y",)


def test_what_there_is_costs() -> None:
    endpoint = {"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}
    found = summarise(plan(resources=[("aws_vpc_endpoint", endpoint), ("aws_kms_key", {})]))
    assert found.cost.monthly == pytest.approx(15.6)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": "1.2"}', '{"planned_values": {}}'])
def test_what_is_no_plan_is_refused(text) -> None:
    with pytest.raises(DeployError):
        read_plan(text.encode())


def test_a_plan_is_read() -> None:
    assert read_plan(json.dumps(plan()).encode())["format_version"] == "1.2"
