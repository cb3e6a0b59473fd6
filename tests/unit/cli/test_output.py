"""Tables as a terminal and as a pipe get them."""

import os
import re
import subprocess
import sys

import pytest

PROGRAM = (
    "from keepstone.cli.output import emit; emit([{'id': 'i' * 150, 'why': 'w' * 60}], fit=('id', 'why'))"
)

STYLE = re.compile("\x1b\\[[0-9;]*m")


def longest_line_of_a_terminal(columns: str) -> int:
    """Return how long a line the program prints on a real terminal."""
    leader, follower = os.openpty()
    environment = {**os.environ, "COLUMNS": columns, "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=follower, env=environment, check=True)
    os.close(follower)
    printed = os.read(leader, 65_536).decode()
    os.close(leader)
    return max(len(STYLE.sub("", line)) for line in printed.splitlines())


@pytest.mark.parametrize("columns", ["100", "200"])
def test_a_terminal_is_filled_and_not_overrun(columns) -> None:
    assert longest_line_of_a_terminal(columns) == int(columns)


@pytest.mark.parametrize("columns", ["", "100", "200"])
def test_a_pipe_gets_every_cell_whole(columns) -> None:
    environment = {**os.environ, "COLUMNS": columns}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True
    )
    assert "i" * 150 in done.stdout
    assert "w" * 60 in done.stdout
