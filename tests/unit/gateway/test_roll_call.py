"""What a machine says of its ledger to the others."""

import pytest

from keepstone.gateway.roll_call import Words
from keepstone.ledger.merkle import EMPTY_ROOT
from keepstone.ledger.note import Verifier
from keepstone.ledger.view import MAIN, Reached, open_view
from tests.unit.ledger.support import KEY, opened


@pytest.mark.parametrize(("delayed", "sizes"), [(False, [1, 2]), (True, [0, 1])])
def test_a_lone_log_is_said_to_be_where_it_certainly_is(tmp_path, delayed, sizes):
    folder = tmp_path / "ledger"
    with opened(folder) as ledger:
        words = Words(folder, KEY, "", delayed=delayed)
        for size in sizes:
            ledger.append(b"{}")
            row = words.say(ledger)
            view = open_view(row.note, Verifier.parse(row.verifier))
            assert view.logs[MAIN].size == size
            assert size or view.logs == {MAIN: Reached(0, EMPTY_ROOT)}
