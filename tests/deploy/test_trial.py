"""The module for real: the AWS provider applies it to the test AWS, sees all tampering, leaves nothing."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.deploy.inventory import standing
from tests.deploy.roots import Root, least
from tests.deploy.tampering import REMOVED, WEAKENED, Tampering
from tests.services.terraform import needs_terraform
from tests.simulators.aws.server import Aws, aws_server

pytestmark = [needs_terraform, pytest.mark.deploy_trial]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


@pytest.fixture(scope="module")
def root(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Root:
    return Root(Path(tmp_path_factory.mktemp("trial")) / "root", aws, least(*aws.network()))


def reported(batch: Mapping[str, Tampering]) -> dict[str, str]:
    return {address: actions for each in batch.values() for address, actions in each.reported.items()}


def test_life_of_a_deployment(aws: Aws, root: Root) -> None:
    before = standing(aws)
    done = root.apply()
    assert done.code == 0, done.output
    assert root.changes() == {}
    state = root.state()
    for batch in (WEAKENED, REMOVED):
        for each in batch.values():
            each.act(aws, state)
        assert root.changes() == reported(batch)
        done = root.apply()
        assert done.code == 0, done.output
        state = root.state()
    assert root.changes() == {}
    done = root.destroy()
    assert done.code == 0, done.output
    assert standing(aws) == before == {}
