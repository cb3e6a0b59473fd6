import asyncio

import pytest

from keepstone.gateway.routing.hedge import race


class Asked:
    """Upstreams that take their time, and what became of them."""

    def __init__(self):
        self.cancelled = []
        self.dropped = []

    async def answer(self, name, seconds, outcome="good"):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        if outcome == "raises":
            raise ValueError(name)
        return f"{outcome} {name}"

    async def drop(self, outcome):
        self.dropped.append(outcome)

    async def race(self, first, second, after=0.02):
        return await race(
            self.answer("a", *first),
            lambda: None if second is None else self.answer("b", *second),
            after,
            good=lambda outcome: outcome.startswith("good"),
            drop=self.drop,
        )


@pytest.mark.parametrize(
    ("first", "second", "outcome", "cancelled"),
    [
        ((0,), (0,), "good a", []),
        ((0, "bad"), (0,), "bad a", []),
        ((9,), (0,), "good b", ["a"]),
        ((0.05,), (9,), "good a", ["b"]),
        ((9,), None, None, ["a"]),
        ((0.05, "bad"), (0.1,), "good b", []),
        ((0.1,), (0, "bad"), "good a", []),
        ((0.1, "bad"), (0, "bad"), "bad a", []),
    ],
)
def test_the_first_good_answer_wins_and_the_other_is_given_up(first, second, outcome, cancelled):
    asked = Asked()

    async def run():
        async with asyncio.timeout(0.5):
            return await asked.race(first, second)

    if outcome is None:
        with pytest.raises(TimeoutError):
            asyncio.run(run())
    else:
        assert asyncio.run(run()) == outcome
    assert asked.cancelled == cancelled


def test_a_good_answer_that_comes_too_late_is_dropped():
    asked = Asked()

    async def both():
        gate = asyncio.Event()

        async def answer(name):
            await gate.wait()
            return f"good {name}"

        asyncio.get_running_loop().call_later(0.05, gate.set)
        return await race(answer("a"), lambda: answer("b"), 0.01, good=lambda _: True, drop=asked.drop)

    assert asyncio.run(both()) == "good a"
    assert asked.dropped == ["good b"]


def test_whoever_gives_up_gives_up_both():
    asked = Asked()

    async def run():
        task = asyncio.ensure_future(asked.race((9,), (9,)))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(run())
    assert sorted(asked.cancelled) == ["a", "b"]


def test_a_fault_in_one_is_not_hidden():
    with pytest.raises(ValueError, match="b"):
        asyncio.run(Asked().race((0.2,), (0, "raises")))
