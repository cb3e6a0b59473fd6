"""Other gateways, each with the settings that its own documents recommend for production.

They get the same work in OpenAI's protocol, from the same upstream. They check no content and keep no durable
record here; Keepstone does both.
"""

from bench import payload
from bench.launch import CHAT_PATH, WORK, Launch, Settings, free_port

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
_FERROGW = """
strategy:
  mode: single
targets:
  - virtual_key: openai
aliases:
  bench: gpt-4o-mini
"""


def litellm(settings: Settings) -> Launch:
    """LiteLLM's proxy (Python): one worker, a master key, no database, no callbacks, no retries."""
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
        "/health/liveliness",
        lambda _: {"Authorization": "Bearer sk-benchmark-master-EXAMPLE"},
        CHAT_PATH,
        payload.CHAT_REQUEST,
        payload.CHAT_ANSWER,
    )


def portkey(settings: Settings) -> Launch:
    """Portkey's gateway (Node.js): one process; who calls names the provider and brings its key."""
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
        "/",
        lambda _: headers,
        CHAT_PATH,
        payload.CHAT_REQUEST,
        payload.CHAT_ANSWER,
    )


def ferrogw(settings: Settings) -> Launch:
    """Ferro's AI gateway (Go): one process, which takes every core; a master key, no plug-in, no retries."""
    port = free_port()
    config = settings.folder / "ferrogw.yaml"
    config.write_text(_FERROGW)
    env = {
        "PORT": str(port),
        "GATEWAY_CONFIG": str(config),
        "GATEWAY_ENV": "production",
        "LOG_LEVEL": "error",
        "RATE_LIMIT_RPS": "0",  # else so many from one address are refused
        "MASTER_KEY": "fgw_benchmark_master_EXAMPLE_0123456789",
        "OPENAI_API_KEY": "sk-benchmark-EXAMPLE",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{settings.upstream}/v1",
        "FERRO_MODEL_CATALOG_TIMEOUT": "0",  # the catalogue it ships, as nothing outside is asked
    }
    return Launch(
        [str(WORK / "ferrogw" / "bin" / "ferrogw"), "serve"],
        env,
        port,
        "/readyz",
        lambda _: {"Authorization": f"Bearer {env['MASTER_KEY']}"},
        CHAT_PATH,
        payload.CHAT_REQUEST,
        payload.CHAT_ANSWER,
    )
