from hypothesis import given
from hypothesis import strategies as st

from keepstone.gateway.routing.window import SLICES, Window

LENGTH = 1000
STEPS = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 5)), max_size=40)


@given(STEPS)
def test_it_counts_what_a_list_of_all_moments_would(steps):
    window, seen, now = Window(LENGTH), [], 10_000
    for pause, amount in steps:
        now += pause
        window.add(now, amount)
        seen.append((now, amount))
        at_most = sum(amount for at, amount in seen if at > now - LENGTH)
        at_least = sum(amount for at, amount in seen if at > now - LENGTH + LENGTH // SLICES)
        assert at_least <= window.total(now) <= at_most


def test_a_cleared_window_holds_nothing():
    window = Window(LENGTH)
    window.add(5, 7)
    window.clear()
    assert window.total(6) == 0
