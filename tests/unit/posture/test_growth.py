"""What judging a plan takes grows with the plan and no faster: counted in calls, which no machine sways."""

import cProfile
import pstats
from datetime import UTC, datetime

from bench.posture import plan

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.readers.terraform_document import read
from tests.unit.posture.documents import saved


def calls(folder, resources: int) -> int:
    path = saved(folder, plan(resources))
    profile = cProfile.Profile()
    with profile:
        judged(read(path, datetime.now(UTC)), EVERY.values())
    return pstats.Stats(profile).total_calls


def test_four_times_the_resources_take_four_times_the_calls(tmp_path):
    few, many = (calls(tmp_path, size) for size in (260, 1040))
    assert few > 10_000
    assert many < 4.2 * few
