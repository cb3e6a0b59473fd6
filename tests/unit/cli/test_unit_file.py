"""The systemd unit of the install guide: what it starts is a command of ours, with options that exist."""

import configparser
import shlex
from pathlib import Path

import docs

from keepstone.cli.up import up
from keepstone.core.settings import from_environment

UNIT = Path(docs.__file__).parent / "systemd/keepstone.service"


def test_the_unit_starts_what_there_is():
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    program, command, *options = shlex.split(unit["Service"]["ExecStart"])
    assert (Path(program).name, command) == ("keepstone", "up")
    assert up.make_context("up", options).params["host"] == "127.0.0.1"
    environ = dict(each.split("=", 1) for each in shlex.split(unit["Service"]["Environment"]))
    settings = from_environment(environ)
    assert settings.home == Path("/var/lib") / unit["Service"]["StateDirectory"]
    assert settings.policy.parent == Path("/etc") / unit["Service"]["ConfigurationDirectory"]
    assert settings.drain < int(unit["Service"]["TimeoutStopSec"])
