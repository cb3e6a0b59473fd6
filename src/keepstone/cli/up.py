"""`keepstone up`: everything embedded, on this machine, ready in a second."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.keys import database_option
from keepstone.cli.on_record import refuse_other_owner
from keepstone.cli.output import talk
from keepstone.core.errors import UsageError
from keepstone.core.settings import MAX_DRAIN_S, MAX_KEEP_ALIVE_S, MAX_WORKERS, Settings, from_environment

if TYPE_CHECKING:
    from socket import socket

    from keepstone.cli.control import Ready
    from keepstone.cli.first_key import FirstKey
    from keepstone.cli.server import Serving
    from keepstone.gateway.tls import TlsFiles
    from keepstone.policy.compile import CompiledPolicy

Told = Callable[["FirstKey | None", str, str, str], None]
"""Takes the first key, the policy's hash, a sentence about the record, and what was repaired."""


@click.command(
    epilog="""\b
Examples:
  keepstone up
  keepstone up --policy keepstone.yaml --env prod --port 9000
  keepstone up --tls-cert svid.pem --tls-key svid.key --client-ca bundle.pem --client-certs required

\b
Then, in another terminal, with the variables that `up` prints:
  aws bedrock-runtime converse --model-id keepstone.dev \\
      --messages '[{"role":"user","content":[{"text":"Hi"}]}]'
"""
)
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path), help="The policy.  [default: keepstone.yaml]"
)
@click.option("--env", "environment", help="Overlay `keepstone.ENV.yaml` on the policy.")
@click.option("--home", type=click.Path(path_type=Path), help="Where state is kept.  [default: .keepstone]")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 0 for any.  [default: 8080]")
@click.option(
    "--tls-cert", type=click.Path(path_type=Path), help="Certificate chain, PEM.  [default: a local one]"
)
@click.option("--tls-key", type=click.Path(path_type=Path), help="The certificate's private key, PEM.")
@click.option(
    "--client-ca",
    type=click.Path(path_type=Path),
    help="Authorities of client certificates, PEM: mutual TLS.",
)
@click.option(
    "--client-certs",
    type=click.Choice(["optional", "required"]),
    help="With `--client-ca`.  [default: optional]",
)
@click.option("--tls-min", type=click.Choice(["1.2", "1.3"]), help="Oldest version of TLS.  [default: 1.3]")
@click.option("--plain-http", is_flag=True, help="No TLS: for older SDKs, or behind something that ends TLS.")
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Processes that serve.  [default: 1]")
@click.option(
    "--drain",
    type=click.FloatRange(0, MAX_DRAIN_S),
    help="Seconds to be unready before new calls are refused at a stop.  [default: 0]",
)
@click.option(
    "--keep-alive",
    type=click.FloatRange(1, MAX_KEEP_ALIVE_S),
    help="Seconds that an idle connection stays open; longer than a load balancer's.  [default: 5]",
)
@database_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[default: info]")
def up(
    policy_file: Path | None,
    environment: str | None,
    home: Path | None,
    host: str | None,
    port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    client_certs: str | None,
    tls_min: str | None,
    plain_http: bool,
    workers: int | None,
    drain: float | None,
    keep_alive: float | None,
    database: str | None,
    log_level: str | None,
) -> None:
    """Start the gateway: checks the policy, opens the ledger, prints what a client needs and a first key.

    Where there is no policy yet, one for the development model is written. A changed policy is put in force
    while the gateway runs (within a second, or at once by SIGHUP); SIGTERM and Ctrl-C let running calls end.
    """
    from keepstone.wiring.active import read_policy

    settings = _settings(
        home=home,
        policy=policy_file,
        environment=environment,
        host=host or None,
        port=port,
        log_level=log_level,
        workers=workers,
        drain=drain,
        keep_alive=keep_alive,
        database_url=database or None,
    )
    if policy_file is None:
        _write_default(settings.policy)
    policy = read_policy(settings)
    if plain_http and (client_ca or tls_min):
        raise UsageError("`--plain-http` goes with neither `--client-ca` nor `--tls-min`")
    refuse_other_owner(settings, fresh=False)  # an empty folder may be a mount of anybody's
    _make_home(settings.home)
    listeners = _listeners(settings)
    tls = None
    if not plain_http:
        files = _with_clients(_certificate(settings, tls_cert, tls_key), client_ca, client_certs)
        tls = replace(files, minimum=tls_min or "1.3")
    _warn_of_certificates(policy, client_ca)
    url = _url("https" if tls else "http", settings.host, listeners[0])

    def ready(first: "FirstKey | None", policy_hash: str, record: str, repaired: str) -> None:
        _print_exports(url, first, tls)
        with suppress(OSError):  # nobody reads: serve on
            _talk_ready(first, policy_hash, record, repaired)

    if settings.workers == 1:
        _serve_alone(settings, policy, listeners[0], tls, ready)
    else:
        _serve_together(settings, policy, listeners, tls, ready)


def _settings(**chosen: Any) -> Settings:
    """Return the environment's settings, but for what was chosen; `None` is not chosen."""
    given = {name: value for name, value in chosen.items() if value is not None}
    return replace(from_environment(), **given)


def _url(scheme: str, host: str, listener: "socket") -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{listener.getsockname()[1]}"


def _write_default(policy: Path) -> None:
    """Write a policy for the development model where there is none yet, and say so."""
    if policy.exists():
        return
    from keepstone.policy.template import default_document

    _write(policy, default_document())
    talk(f"no policy yet: wrote `{policy}` for the development model (`keepstone init` asks more)")


def _write(policy: Path, text: str) -> None:
    try:
        policy.write_text(text)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        hint = "name a policy with `--policy`, or start in a folder that can be written"
        raise UsageError(f"`{policy}` cannot be written: {reason}", hint=hint) from error


def _make_home(home: Path) -> None:
    """Make the folder of state for its owner alone; what exists keeps its mode."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise UsageError(
            f"`{home}` cannot be made: {reason}", hint="`--home` names another folder"
        ) from error


def _warn_of_certificates(policy: "CompiledPolicy", client_ca: Path | None) -> None:
    """Warn when the policy knows callers by certificates that nobody will ever show."""
    mtls = policy.document.identities.mtls
    if mtls is None or client_ca is not None or (mtls.forwarded is not None and mtls.forwarded.loopback):
        return
    talk(
        "warning: the policy's `identities.mtls` names callers by certificates, but none is asked for: "
        "`--client-ca` names the authorities to trust"
    )


def _print_exports(url: str, first: "FirstKey | None", tls: "TlsFiles | None") -> None:
    """Print what a client needs, all at once; a key that could not be shown is revoked."""
    lines = [f"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={url}"]
    if first is not None:
        lines.append(f"export AWS_BEARER_TOKEN_BEDROCK={first.token}")
    if tls and tls.bundle:
        lines.append(f"export AWS_CA_BUNDLE={tls.bundle.resolve()}")
    try:
        if (
            sys.stdout is None
        ):  # started with a closed stdout: click would say nothing, and not that it did not
            raise BrokenPipeError
        click.echo("\n".join(lines))
    except OSError:
        if first is not None:
            first.take_back()
        with suppress(OSError):
            talk("the first key could not be shown and is revoked: `keepstone keys create` makes another")


def _talk_ready(first: "FirstKey | None", policy_hash: str, record: str, repaired: str) -> None:
    """Tell the person at the terminal what has begun."""
    if first is None:
        talk("keys are not shown again, if there are any; `keepstone keys create` makes one")
    if not os.environ.get("AWS_DEFAULT_REGION") and not os.environ.get("AWS_REGION"):
        talk("SDKs want a region, whatever it is: export AWS_DEFAULT_REGION=us-east-1")
    if repaired:
        talk(f"ledger: {repaired}")
    talk(f"policy {policy_hash[:19]} is in force, record {record}")
    talk("ready; stop with Ctrl-C")


def _listeners(settings: Settings) -> "list[socket]":
    """Take the address once for each worker."""
    from keepstone.cli.server import bind

    shared = settings.workers > 1
    first = bind(settings.host, settings.port, shared=shared)
    port = first.getsockname()[1]
    return [first, *(bind(settings.host, port, shared=True) for _ in range(settings.workers - 1))]


def _serve_alone(
    settings: Settings, policy: "CompiledPolicy", listener: "socket", tls: "TlsFiles | None", told: Told
) -> None:
    """Serve in this process."""
    from keepstone.cli.first_key import first_key
    from keepstone.cli.server import serve

    async def ready(serving: "Serving") -> None:
        service = serving.service
        first = await first_key(settings, policy, service.take_notices)
        told(first, service.gateway.active.policy.hash, service.recorder_summary, service.ledger.repaired)

    serve(settings, policy, listener, tls=tls, ready=ready)


def _serve_together(
    settings: Settings,
    policy: "CompiledPolicy",
    listeners: "list[socket]",
    tls: "TlsFiles | None",
    told: Told,
) -> None:
    """Serve in several processes, of which this is the parent."""
    import asyncio

    from keepstone.cli.first_key import first_key
    from keepstone.cli.server import log_to_stderr
    from keepstone.cli.supervisor import Supervisor

    async def ready(worker: "Ready") -> None:
        # The workers look for notices by themselves; this process has no ledger.
        first = await first_key(settings, policy, _nothing)
        told(first, worker.policy, worker.summary, worker.repaired)

    log_to_stderr(settings.log_level)
    for listener in listeners:
        listener.listen(2048)  # from now on nobody is turned away
    if policy.document.limits and not settings.rates:
        hint = "KEEPSTONE_RATES names a store that they share"
        talk(f"limits are counted by each of the {settings.workers} workers alone; {hint}")
    supervisor = Supervisor(settings, listeners, tls)
    asyncio.run(supervisor.run(ready))


async def _nothing() -> None:
    pass


def _certificate(settings: Settings, certificate: Path | None, key: Path | None) -> "TlsFiles":
    """Return the user's certificate, or one made for this machine."""
    from datetime import UTC, datetime

    from keepstone.aws.trust import default_roots
    from keepstone.gateway.tls import TlsFiles, local_certificate

    if certificate is None and key is None:
        return local_certificate(settings.home / "tls", settings.host, default_roots(), datetime.now(UTC))
    if certificate is None or key is None:
        raise UsageError("`--tls-cert` and `--tls-key` go together")
    for path in (certificate, key):
        if not path.is_file():
            raise UsageError(f"there is no file `{path}`")
    return TlsFiles(certificate, key)


def _with_clients(files: "TlsFiles", client_ca: Path | None, wanted: str | None) -> "TlsFiles":
    """Add what client certificates are verified with."""
    if client_ca is None:
        if wanted:
            raise UsageError("`--client-certs` goes with `--client-ca`")
        return files
    if not client_ca.is_file():
        raise UsageError(f"there is no file `{client_ca}`")
    return replace(files, client_ca=client_ca, clients=wanted or "optional")
