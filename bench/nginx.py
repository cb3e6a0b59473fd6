"""nginx in three parts: the upstream that answers everybody, the same asked directly, and a bare proxy."""

import shutil
from pathlib import Path

from bench import payload
from bench.launch import Launch, Settings, free_port

_CONFIGURATION = """
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
{rules}
}}
"""
_ANSWERS = """  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /model/ {{ return 200 '{converse}'; }}
    location / {{ return 200 '{chat}'; }}
  }}"""
_PROXY = """  upstream model {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}"""


def upstream(folder: Path, port: int) -> list[str]:
    """The command of an nginx that gives the two fixed answers; its files lie in `folder`."""
    answers = {"converse": payload.CONVERSE_ANSWER.decode(), "chat": payload.CHAT_ANSWER.decode()}
    return _command(folder, _ANSWERS.format(port=port, **answers))


def direct(settings: Settings) -> Launch:
    """No gateway: a second upstream, so that the CPU of answering is counted apart."""
    port = free_port()
    return Launch(upstream(settings.folder / "direct", port), {}, port, "/")


def proxy(settings: Settings) -> Launch:
    """nginx with one worker that hands calls on over connections that are kept, and does nothing else."""
    port = free_port()
    rules = _PROXY.format(port=port, upstream=settings.upstream)
    return Launch(_command(settings.folder / "proxy", rules), {}, port, "/")


def _command(folder: Path, rules: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    text = _CONFIGURATION.format(folder=folder.resolve(), rules=rules)
    (folder / "nginx.conf").write_text(text)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return [program, "-p", str(folder.resolve()), "-c", str(folder.resolve() / "nginx.conf")]
