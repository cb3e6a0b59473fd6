"""Whose account a plan is of: what the module's own question was answered, and nobody else's."""

import pytest

from keepstone.deploy.account import Caller, caller_of

ADDRESS = "module.bedrock_solution.data.aws_caller_identity.this"
VALUES = {"account_id": "123456789012", "arn": "arn:aws:iam::123456789012:user/ann"}
ANN = Caller(VALUES["account_id"], VALUES["arn"])


def state(values: object = VALUES, address: str = ADDRESS) -> dict[str, object]:
    told = {"address": address, "type": "aws_caller_identity", "values": values}
    own = {"address": "data.aws_caller_identity.own", "values": {"account_id": "9" * 12, "arn": "other"}}
    child = {"address": "module.bedrock_solution", "resources": [told]}
    return {"values": {"root_module": {"resources": [own], "child_modules": [child]}}}


@pytest.mark.parametrize(
    ("document", "caller"),
    [
        (state(), ANN),
        ({"prior_state": state()}, ANN),
        (state(address="data.aws_caller_identity.elsewhere"), None),
        (state({}), None),
        (state(None), None),
        (state({"account_id": "123456789012", "arn": None}), None),
        ({"prior_state": None}, None),
        ({"values": None}, None),
        ({}, None),
    ],
)
def test_only_what_the_module_was_told_counts(document, caller) -> None:
    assert caller_of(document) == caller
