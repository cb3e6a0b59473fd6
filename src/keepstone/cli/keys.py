"""`keepstone keys`: create, list and revoke the API keys that callers hold."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import UsageError
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.settings import from_environment

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path),
    help="Where the gateway keeps its state.  [default: .keepstone]",
)
database_option = click.option(
    "--database",
    metavar="URL",
    help="PostgreSQL instead of SQLite; a password is better off in KEEPSTONE_DATABASE or a pgpass file.",
)


@click.group()
def keys() -> None:
    """Create, list and revoke API keys; a running gateway obeys at its next call."""


@keys.command(
    epilog="""\b
Examples:
  keepstone keys create --name chatbot --role application
  keepstone keys create --name nightly --role analyst --expires 30d --model 'anthropic.*' --operation Converse
  keepstone keys create --name legacy --role application --sigv4
"""
)
@click.option("--name", required=True, help="Who or what will hold the key; stands in every record.")
@click.option("--role", "roles", multiple=True, required=True, help="A role of the policy; may be repeated.")
@click.option("--expires", default="", help="Lifetime, such as `12h` or `30d`.  [default: the policy's]")
@click.option("--model", "models", multiple=True, help="Narrow the roles to these models; `*` is a wildcard.")
@click.option(
    "--operation", "operations", multiple=True, type=click.Choice([each.value for each in Operation])
)
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass], case_sensitive=False),
    default="Public",
    show_default=True,
    help="The least class that calls with this key carry.",
)
@click.option(
    "--sigv4", is_flag=True, help="An access key that signs requests, for clients without bearer tokens."
)
@click.option("--policy", "policy_file", type=click.Path(path_type=Path), help="The policy document.")
@home_option
@database_option
@format_option
def create(
    name: str,
    roles: tuple[str, ...],
    expires: str,
    models: tuple[str, ...],
    operations: tuple[str, ...],
    data_class: str,
    sigv4: bool,
    policy_file: Path | None,
    home: Path | None,
    database: str | None,
    output_format: str,
) -> None:
    """Create a key and print it, once: it cannot be shown again."""
    from keepstone.policy.compile import compile_policy
    from keepstone.policy.duration import parse_duration
    from keepstone.policy.load import load
    from keepstone.store.access_keys import AccessKeySecrets, access_key_of
    from keepstone.store.engine import open_database
    from keepstone.store.keys import KeyRequest, KeyStore

    settings = from_environment()
    policy = compile_policy(load(policy_file or settings.policy, settings.environment))
    known = policy.document.identities.roles
    for role in roles:
        if role not in known:
            raise UsageError(f"the policy has no role `{role}`", hint=f"it has {', '.join(sorted(known))}")
    try:
        lifetime = parse_duration(expires) if expires else policy.keys.default_lifetime_ns
    except ValueError as error:
        raise UsageError(f"`--expires`: {error}") from error
    if lifetime > policy.keys.max_lifetime_ns:
        longest = policy.document.identities.keys.max_lifetime
        raise UsageError(f"`--expires` is longer than the policy's `identities.keys.max_lifetime`, {longest}")
    if not name.isprintable() or not 0 < len(name) <= 100:
        raise UsageError("`--name` is not 1 to 100 printable characters")
    if sigv4 and policy.document.identities.sigv4 is None:
        raise UsageError("the policy accepts no signed calls", hint="add `sigv4: {}` to its `identities`")
    now, folder = time.time_ns(), home or settings.home
    request = KeyRequest(
        name,
        roles,
        now + lifetime,
        models,
        operations,
        DataClass.parse(data_class),
        "sigv4" if sigv4 else "bearer",
    )
    store = KeyStore(open_database(_database(home, database)), AccessKeySecrets(folder / "keys"))
    key, token = store.create(request, now)
    shown = (
        {"access_key_id": access_key_of(key.id), "secret_access_key": token} if sigv4 else {"token": token}
    )
    if output_format == "json":
        emit({"id": key.id, "name": key.name, **shown, "expires": _date(key.expires_ns)}, output_format)
        return
    if sigv4:
        click.echo(f"export AWS_ACCESS_KEY_ID={shown['access_key_id']}")
        click.echo(f"export AWS_SECRET_ACCESS_KEY={token}")
    else:
        click.echo(f"export AWS_BEARER_TOKEN_BEDROCK={token}")
    talk(f"key `{key.id}` for `{key.name}` is good until {_date(key.expires_ns)}; it is not shown again")


@keys.command("list", epilog="Example: `keepstone keys list --format json`")
@home_option
@database_option
@format_option
def list_keys(home: Path | None, database: str | None, output_format: str) -> None:
    """List all keys and what they are good for; never the keys themselves."""
    from keepstone.store.engine import open_database
    from keepstone.store.keys import KeyStore

    now = time.time_ns()
    target = _database(home, database)
    if isinstance(target, Path) and not target.exists():
        raise UsageError(f"there is no `{target}`", hint="name the gateway's folder with `--home`")
    store = KeyStore(open_database(target))
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "kind": key.kind,
            "state": key.state(now),
            "roles": ", ".join(key.roles),
            "models": ", ".join(key.models) or "as the roles allow",
            "operations": ", ".join(key.operations) or "as the roles allow",
            "least_class": key.data_class.label,
            "expires": _date(key.expires_ns),
        }
        for key in store.all()
    ]
    if not rows and output_format == "table":
        talk("there are no keys; create one with `keepstone keys create --name NAME --role ROLE`")
    emit(rows, output_format)


@keys.command(epilog="Example: `keepstone keys revoke 3f9c2a7b10de`")
@click.argument("key_id")
@home_option
@database_option
def revoke(key_id: str, home: Path | None, database: str | None) -> None:
    """Revoke a key; running gateways refuse it from their next call on."""
    from keepstone.store.engine import open_database
    from keepstone.store.keys import KeyStore

    store = KeyStore(open_database(_database(home, database)))
    key = store.revoke(key_id, time.time_ns())
    if key is None:
        raise UsageError("there is no key of this id", hint="`keepstone keys list` shows the ids")
    talk(f"key `{key.id}` for `{key.name}` is revoked since {_date(key.revoked_ns or 0)}")


def _database(home: Path | None, database: str | None) -> Path | str:
    """Return what the gateway of this folder or URL uses; a URL goes before a folder."""
    settings = from_environment()
    if home is not None and database is None and not settings.database_url:
        return replace(settings, home=home).database
    return database or settings.database


def _date(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
