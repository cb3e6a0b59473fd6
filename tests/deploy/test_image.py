"""The image's recipe: hadolint finds nothing, what it copies exists, it installs ours, no shell is left."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.e2e.gateway_process import GatewayProcess

from keepstone.deploy.image.bare import bare

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "src" / "keepstone" / "deploy" / "image"
RECIPE = (IMAGE / "Dockerfile").read_text()
POLICY = """
version: 1
organisation: {name: Image}
identities: {roles: {application: {allow: [{models: ["*"]}]}}}
upstreams: {dev: {kind: dev}}
models: [{id: "keepstone.*", upstreams: [dev]}]
"""


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", IMAGE / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_it_copies_exists() -> None:
    copied = [each.split() for each in re.findall(r"^COPY (?!--from)(.+)$", RECIPE, re.MULTILINE)]
    sources = [source for *sources, _ in copied for source in sources]
    assert {"pyproject.toml", "uv.lock", "src"} <= set(sources)
    assert [each for each in sources if not (ROOT / each).exists()] == []


def test_it_installs_what_the_project_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    command = re.search(r"^RUN (uv sync .+)$", RECIPE, re.MULTILINE)[1]
    extras = set(re.findall(r"--extra (\w+)", command))
    assert extras == {"postgres", "valkey", "otel"}
    assert extras <= set(project["optional-dependencies"])
    assert {"--frozen", "--no-dev", "--no-editable"} <= set(command.split())
    assert f"ARG VERSION={project['version']}" in RECIPE
    assert 'ENTRYPOINT ["/opt/keepstone/bin/keepstone"]' in RECIPE
    assert "keepstone" in project["scripts"]


def test_the_lock_holds_all_of_that_with_hashes() -> None:
    options = re.findall(r"--extra \w+", re.search(r"^RUN uv sync .+$", RECIPE, re.MULTILINE)[0])
    command = [
        Path(sys.executable).with_name("uv"),
        "export",
        "--frozen",
        "--offline",
        "--no-dev",
        "--no-emit-project",
    ]
    done = subprocess.run(
        [*command, *" ".join(options).split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wanted = [each for each in done.stdout.splitlines() if "==" in each]
    assert {each.partition("==")[0] for each in wanted} >= {"hiredis", "psycopg", "psycopg-binary", "uvicorn"}
    assert "pytest" not in done.stdout
    assert done.stdout.count("--hash=sha256:") >= len(wanted)


def test_it_runs_as_nobody_in_particular_and_has_a_health_check() -> None:
    final = RECIPE.rpartition("FROM scratch")[2]
    assert "USER 10001:10001" in final
    assert 'CMD ["/opt/keepstone/bin/python", "/opt/keepstone/health.py"]' in final
    assert "RUN" not in final, "there is no shell that could run anything"


def test_the_health_check_tells_a_gateway_from_none(tmp_path) -> None:
    with_tls, plain = (
        GatewayProcess(tmp_path / "tls", POLICY),
        GatewayProcess(tmp_path / "plain", POLICY, "--plain-http"),
    )
    try:
        for process, marks in ((with_tls, {}), (plain, {"KEEPSTONE_PLAIN": "1"})):
            process.start()
            port = process.url.rpartition(":")[2].strip("/")
            asked = [sys.executable, IMAGE / "health.py"]
            environ = os.environ | marks | {"KEEPSTONE_PORT": port}
            assert subprocess.run(asked, env=environ, check=False).returncode == 0
            process.stop()
            assert subprocess.run(asked, env=environ, check=False).returncode == 1
    finally:
        with_tls.close()
        plain.close()


def test_what_is_left_is_python_and_no_shell(tmp_path) -> None:
    programs = [
        "usr/bin/bash",
        "usr/bin/perl",
        "usr/bin/apt",
        "usr/sbin/useradd",
        "usr/sbin/ldconfig",
        "usr/local/bin/pip3",
    ]
    kept = [
        "usr/local/bin/python3.11",
        "usr/lib/libc.so.6",
        "etc/ssl/cert.pem",
        "usr/local/lib/python3.11/ssl.py",
    ]
    gone = [
        "usr/local/bin/python3-config",
        "usr/local/lib/python3.11/site-packages/pip/main.py",
        "var/lib/apt/lists/x",
    ]
    for name in programs + kept + gone:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/lib/libc.so.6").chmod(0o4755)
    bare(tmp_path)
    left = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file())
    assert left == sorted([*kept, "usr/sbin/ldconfig"])
    assert (tmp_path / "usr/lib/libc.so.6").stat().st_mode & 0o7777 == 0o755
