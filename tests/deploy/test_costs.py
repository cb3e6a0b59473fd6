"""The page of costs is worked out from what Terraform plans, not from what somebody once thought it would."""

import json

import pytest
from tests.deploy.example_plans import FOLDER, example_plans, written
from tests.services.terraform import needs_terraform

from keepstone.deploy.costs import estimate

pytestmark = [needs_terraform, pytest.mark.deploy_trial]


def test_the_plans_of_the_page_are_what_terraform_plans() -> None:
    plans = example_plans()
    changed = [name for name, plan in plans.items() if (FOLDER / f"{name}.json").read_text() != written(plan)]
    assert changed == [], "run `python -m tests.deploy.example_plans` and `make docs`"
    for name, plan in plans.items():
        assert estimate(plan) == estimate(json.loads((FOLDER / f"{name}.json").read_bytes()))
