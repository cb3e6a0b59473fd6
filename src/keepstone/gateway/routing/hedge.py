"""Asking a second upstream while the first one is slow: the first good answer wins, the other is given up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def race(
    first: Coroutine[Any, Any, T],
    second: Callable[[], Coroutine[Any, Any, T] | None],
    after_s: float,
    *,
    good: Callable[[T], bool],
    drop: Callable[[T], Awaitable[None]],
) -> T:
    """Return the first good outcome, or that of `first` when there is none.

    `second` is asked for after `after_s` seconds, or never if `first` is done by then; it may have nothing to
    offer. `drop` gives up a good outcome that came too late. Cancelled, both are.
    """
    tasks: list[asyncio.Future[T]] = [asyncio.ensure_future(first)]
    winner: asyncio.Future[T] | None = None
    try:
        done, _ = await asyncio.wait(tasks, timeout=after_s)
        other = None if done else second()
        if other is None:
            winner = tasks[0]
            return await winner
        tasks.append(asyncio.ensure_future(other))
        winner = await _first_good(tasks, good)
        return winner.result()
    finally:
        for task in tasks:
            if task is not winner:
                await _give_up(task, good, drop)


async def _first_good(tasks: list[asyncio.Future[T]], good: Callable[[T], bool]) -> asyncio.Future[T]:
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done and good(task.result()):
                return task
    return tasks[0]


async def _give_up(
    task: asyncio.Future[T], good: Callable[[T], bool], drop: Callable[[T], Awaitable[None]]
) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is None and good(task.result()):
        await drop(task.result())
