"""Opening the database: several at once, and why one cannot be used, without its password."""

import subprocess
import sys
from pathlib import Path

import pytest

from keepstone.core.errors import StoreError
from keepstone.store.engine import open_database

SECRET = "correct horse/battery"
QUOTED = "correct%20horse%2Fbattery"

_OPEN = """
import pathlib, sys
from keepstone.store.engine import open_database
from keepstone.store.keys import KeyStore
print(len(KeyStore(open_database(pathlib.Path(sys.argv[1]))).all()))
"""


@pytest.mark.slow
def test_several_processes_make_one_file_at_once(tmp_path):
    command = [sys.executable, "-c", _OPEN, str(tmp_path / "home/keepstone.db")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [each.communicate(timeout=60)[0] for each in started] == ["0\n"] * 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "refused"),
        ("?sslmode=perhaps", "perhaps"),
        (f"?sslmode=disable&sslpassword={QUOTED}", "refused"),
    ],
)
def test_a_server_that_does_not_answer_is_told_with_the_reason(options, said):
    url = f"postgresql://keepstone:{QUOTED}@127.0.0.1:1/keys{options}"
    with pytest.raises(StoreError, match=r"`127.0.0.1/keys` cannot be used: ") as caught:
        open_database(url)
    assert said in caught.value.message
    for secret in (SECRET, QUOTED, "battery"):
        assert secret not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None


def test_what_the_server_says_is_told(postgres):
    with pytest.raises(StoreError, match='database "nope" does not exist'):
        open_database(postgres.url.rpartition("/")[0] + "/nope")


def test_a_password_that_the_driver_repeats_is_not_told(postgres):
    url = postgres.url.replace("keepstone@", f"{QUOTED}:{QUOTED}@")  # the user's name reads the same
    with pytest.raises(StoreError, match="does not exist") as caught:
        open_database(url)
    assert "***" in caught.value.message
    assert "battery" not in caught.value.message


def test_a_place_that_cannot_be_written_is_told():
    with pytest.raises(StoreError, match=r"cannot open `/proc/x/keepstone.db`: no such file"):
        open_database(Path("/proc/x/keepstone.db"))
