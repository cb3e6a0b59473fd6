"""Long trials, by `make test-faults`: workers killed twenty times, ten thousand callers."""

import asyncio
import os
import random
import re
import signal
import time

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.test_crash import until
from tests.e2e.workers import BODY, PATH, calling, workers_of

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("e2e-faults")]
CROWD = 10_000


def test_twenty_killed_workers_lose_nothing(start: Start) -> None:
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    gateway = start("--plain-http", "--workers", "2")
    with calling(gateway) as callers:
        for turn in range(20):
            reached = len(callers.answered)
            until(lambda now=reached: len(callers.answered) > now + 20, seconds=30)
            time.sleep(dice.uniform(0, 0.3))
            victims = workers_of(gateway)
            os.kill(dice.choice(victims), signal.SIGKILL)
            until(
                lambda was=victims: len(workers_of(gateway)) == 2 and workers_of(gateway) != was, seconds=30
            )
            assert gateway.process is not None, (seed, turn)
            assert gateway.process.poll() is None, (seed, turn)
    assert set(callers.answered.values()) == {200}
    assert gateway.stop() == 0
    lost = callers.answered.keys() - {each["id"] for each in gateway.records()}
    assert not lost, f"seed {seed}: {len(lost)} of {len(callers.answered)} lost"
    verified = gateway.verify()
    assert verified.returncode == 0, (seed, verified.stdout)
    print(f"{len(callers.answered)} answered, {len(callers.failures)} connections cut, nothing lost")


async def crowd(gateway: GatewayProcess, count: int) -> tuple[int, int]:
    """Hold `count` connections open at once, then call over each; return how many were open and answered."""
    host, port = gateway.address
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {gateway.first_key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
    ).encode()
    gate = asyncio.Semaphore(200)

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with gate:
            return await asyncio.open_connection(host, port)

    pairs = await asyncio.gather(*(connect() for _ in range(count)))
    text = (await asyncio.to_thread(gateway.get, "/metrics"))[1]
    found = re.search(r"^process_open_fds (\S+)$", text, re.MULTILINE)
    memory = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
    assert found is not None
    assert memory is not None
    print(f"{float(found[1]):.0f} descriptors, {float(memory[1]) / 1e6:.0f} MB")

    async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with gate:
            writer.write(head + BODY)
            answered = (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
            return answered

    answers = await asyncio.gather(*(call(*pair) for pair in pairs))
    return int(float(found[1])), sum(answers)


def test_ten_thousand_open_connections(start: Start) -> None:
    gateway = start("--plain-http", "--workers", "2")
    opened, answered = asyncio.run(crowd(gateway, CROWD))
    assert opened > CROWD
    assert answered == CROWD
    assert gateway.post(PATH, BODY)[0] == 200
    assert gateway.stop() == 0
    assert gateway.verify().returncode == 0
