"""Who is measured and how each is started; one function a contender, listed in `CONTENDERS`.

Peers run with the settings that their own documents recommend for production, one worker each, as Keepstone
does. They check no content and keep no durable record; Keepstone does both.
"""

import re
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench import payload
from bench.process import BenchError, Child

WORK = Path(__file__).parent / ".work"
_POLICY = Path(__file__).parent / "policies" / "strict.yaml"
_KEY_LINE = re.compile(r"^export AWS_BEARER_TOKEN_BEDROCK=(\S+)$", re.MULTILINE)
_CONVERSE_PATH = f"/model/{payload.MODEL.replace(':', '%3A')}/converse"
KEYSTONE = "bench/.work/keepstone/bin/keepstone up --policy {policy} --home {home} --port {port}"


class Settings(NamedTuple):
    """What a contender is told: where the upstream listens, where to lay files, the command of Keepstone."""

    upstream: int
    folder: Path
    command: str


class Launch(NamedTuple):
    """How a contender is started and asked; `headers` may read the running child's output.

    `home` is where a governed contender keeps its record.
    """

    command: list[str]
    env: Mapping[str, str]
    port: int
    path: str
    ready: str
    body: bytes
    answer: bytes
    headers: Callable[[Child], Mapping[str, str]]
    home: Path | None = None
    scheme: str = "http"

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


class Contender(NamedTuple):
    """A row of the table."""

    name: str
    title: str
    launch: Callable[[Settings], Launch]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the upstream, which is also the floor -----------------------------------------------------------------

_NGINX = """
master_process off;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_buffer_size 64k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /model/ {{ return 200 '{converse}'; }}
    location / {{ return 200 '{chat}'; }}
  }}
}}
"""


def nginx(folder: Path, port: int) -> list[str]:
    """The command of an nginx that gives the two fixed answers; its files lie in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = {"converse": payload.CONVERSE_ANSWER.decode(), "chat": payload.CHAT_ANSWER.decode()}
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder.resolve(), port=port, **answers))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-p", str(folder.resolve()), "-c", str(folder.resolve() / "nginx.conf")]


def _floor(settings: Settings) -> Launch:
    port = free_port()
    return Launch(
        nginx(settings.folder / "floor", port),
        {},
        port,
        _CONVERSE_PATH,
        "/",
        payload.CONVERSE_REQUEST,
        payload.CONVERSE_ANSWER,
        lambda _: {},
    )


# --- Keepstone ---------------------------------------------------------------------------------------------


def _keepstone(settings: Settings, durability: str, scheme: str = "http") -> Launch:
    port = free_port()
    home = settings.folder / f"keepstone-{durability}-{scheme}"
    shutil.rmtree(home, ignore_errors=True)
    policy = settings.folder / f"{durability}.yaml"
    text = _POLICY.read_text().replace("http://127.0.0.1:9\n", f"http://127.0.0.1:{settings.upstream}\n")
    policy.write_text(text.replace("durability: strict", f"durability: {durability}"))
    command = settings.command.format(policy=policy, home=home, port=port)
    env = {
        "AWS_ACCESS_KEY_ID": "AKIABENCHMARK0EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "benchmark/not/a/real/secret/EXAMPLE",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    plain = ["--plain-http"] if scheme == "http" else []  # as the peers speak it
    return Launch(
        [*shlex.split(command), *plain],
        env,
        port,
        _CONVERSE_PATH,
        "/health/ready",
        payload.CONVERSE_REQUEST,
        payload.CONVERSE_ANSWER,
        _first_key,
        home,
        scheme,
    )


def _first_key(child: Child) -> Mapping[str, str]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        match = _KEY_LINE.search(child.log.read_text())
        if match:
            return {"Authorization": f"Bearer {match[1]}"}
        time.sleep(0.05)
    raise BenchError("keepstone printed no first key within 10 s")


# --- peers -------------------------------------------------------------------------------------------------

_LITELLM = """
model_list:
  - model_name: bench
    litellm_params:
      model: openai/bench
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: sk-benchmark-EXAMPLE
litellm_settings:
  set_verbose: false
  json_logs: false
  num_retries: 0
  telemetry: false
router_settings:
  disable_cooldowns: true
general_settings:
  master_key: sk-benchmark-master-EXAMPLE
  disable_spend_logs: true
"""


def _litellm(settings: Settings) -> Launch:
    port = free_port()
    config = settings.folder / "litellm.yaml"
    config.write_text(_LITELLM.format(upstream=settings.upstream))
    program = str(WORK / "litellm" / "bin" / "litellm")
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return Launch(
        [*command, "--num_workers", "1", "--telemetry", "False"],
        env,
        port,
        "/v1/chat/completions",
        "/health/liveliness",
        payload.CHAT_REQUEST,
        payload.CHAT_ANSWER,
        lambda _: {"Authorization": "Bearer sk-benchmark-master-EXAMPLE"},
    )


def _portkey(settings: Settings) -> Launch:
    port = free_port()
    script = WORK / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{settings.upstream}/v1",
        "Authorization": "Bearer sk-benchmark-EXAMPLE",
    }
    return Launch(
        ["node", str(script), f"--port={port}", "--headless"],
        {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"},
        port,
        "/v1/chat/completions",
        "/",
        payload.CHAT_REQUEST,
        payload.CHAT_ANSWER,
        lambda _: headers,
    )


CONTENDERS = (
    Contender("nginx", "nginx direct (the floor)", _floor),
    Contender("strict", "Keepstone, record durable first", lambda s: _keepstone(s, "strict")),
    Contender("bounded", "Keepstone, record within 10 ms", lambda s: _keepstone(s, "bounded")),
    Contender("tls", "Keepstone, durable first, by TLS", lambda s: _keepstone(s, "strict", "https")),
    Contender("portkey", "Portkey", _portkey),
    Contender("litellm", "LiteLLM proxy", _litellm),
)
