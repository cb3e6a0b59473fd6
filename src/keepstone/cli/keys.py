"""`keepstone keys`: create, list and revoke the API keys that callers hold."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.on_record import by_option, refuse_other_owner
from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import KeepstoneError, LedgerError, UsageError
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.settings import Settings, from_environment

if TYPE_CHECKING:
    from keepstone.policy.compile import CompiledPolicy
    from keepstone.store.keys import ApiKey, KeyRequest, KeyStore

_MAX_MODELS = 4000

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


@click.group(
    epilog="""\b
Examples:
  keepstone keys create --name chatbot --role application
  keepstone keys list
  keepstone keys revoke 3f9c2a7b10de"""
)
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
    "--operation",
    "operations",
    multiple=True,
    metavar="NAME",
    type=click.Choice([each.value for each in Operation]),
    help=f"Narrow the roles to these operations, repeatable: {', '.join(each.value for each in Operation)}.",
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
@by_option
@home_option
@database_option
@format_option
def create(
    expires: str,
    policy_file: Path | None,
    by: str,
    home: Path | None,
    database: str | None,
    output_format: str,
    **wanted: Any,
) -> None:
    """Create a key, put that on record, and print it, once: it cannot be shown again."""
    from keepstone.cli.key_record import create_on_record
    from keepstone.cli.on_record import made_key
    from keepstone.policy.compile import compile_policy
    from keepstone.policy.load import load
    from keepstone.store.access_keys import AccessKeySecrets
    from keepstone.store.engine import open_database
    from keepstone.store.keys import KeyStore

    settings = from_environment()
    policy = compile_policy(load(policy_file or settings.policy, settings.environment))
    request = _request(policy, expires, wanted)
    place, ledger_key = made_key(home or settings.home)
    store = KeyStore(open_database(_database(home, database)), AccessKeySecrets(place.keys))
    key, token = create_on_record(store, request, place, ledger_key, by)
    _show(key, token, output_format)


def _request(policy: "CompiledPolicy", expires: str, wanted: dict[str, Any]) -> "KeyRequest":
    """Return what is asked for; raise `UsageError` for what the policy does not have or allow."""
    from keepstone.policy.duration import parse_duration
    from keepstone.store.keys import KeyRequest

    name, roles, models = wanted["name"], wanted["roles"], wanted["models"]
    known = policy.document.identities.roles
    for role in roles:
        if role not in known:
            raise UsageError(f"the policy has no role `{role}`", hint=f"it has {', '.join(sorted(known))}")
    try:
        lifetime = parse_duration(expires) if expires else policy.keys.default_lifetime_ns
    except ValueError as error:
        raise UsageError(f"`--expires`: {error}", hint="such as `12h` or `30d`") from error
    if lifetime > policy.keys.max_lifetime_ns:
        longest = policy.document.identities.keys.max_lifetime
        raise UsageError(f"`--expires` is longer than the policy's `identities.keys.max_lifetime`, {longest}")
    if not name.isprintable() or not 0 < len(name) <= 100:
        raise UsageError("`--name` is not 1 to 100 printable characters")
    if sum(map(len, models)) > _MAX_MODELS:
        raise UsageError(f"`--model` has more than {_MAX_MODELS} characters in all", hint="use `*`")
    if wanted["sigv4"] and policy.document.identities.sigv4 is None:
        raise UsageError("the policy accepts no signed calls", hint="add `sigv4: {}` to its `identities`")
    return KeyRequest(
        name,
        roles,
        time.time_ns() + lifetime,
        models,
        wanted["operations"],
        DataClass.parse(wanted["data_class"]),
        "sigv4" if wanted["sigv4"] else "bearer",
    )


def _show(key: "ApiKey", token: str, output_format: str) -> None:
    """Print a new key: the only time that anybody can."""
    from keepstone.store.access_keys import access_key_of

    shown = {"token": token}
    exports = {"AWS_BEARER_TOKEN_BEDROCK": token}
    if key.kind == "sigv4":
        shown = {"access_key_id": access_key_of(key.id), "secret_access_key": token}
        exports = {"AWS_ACCESS_KEY_ID": access_key_of(key.id), "AWS_SECRET_ACCESS_KEY": token}
    if output_format == "json":
        emit({"id": key.id, "name": key.name, **shown, "expires": _date(key.expires_ns)}, output_format)
        return
    for name, value in exports.items():
        click.echo(f"export {name}={value}")
    talk(f"key `{key.id}` for `{key.name}` is good until {_date(key.expires_ns)}; it is not shown again")


@keys.command("list", epilog="Example: `keepstone keys list --format json`")
@home_option
@database_option
@format_option
def list_keys(home: Path | None, database: str | None, output_format: str) -> None:
    """List all keys and what they are good for; never the keys themselves."""
    now = time.time_ns()
    store = _existing(home, database)
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "kind": key.kind,
            "state": key.state(now),
            "roles": ", ".join(key.roles),
            "models": ", ".join(key.models) or "not narrowed",
            "operations": ", ".join(key.operations) or "not narrowed",
            "least_class": key.data_class.label,
            "expires": _date(key.expires_ns),
        }
        for key in store.all()
    ]
    if not rows and output_format == "table":
        talk("there are no keys; create one with `keepstone keys create --name NAME --role ROLE`")
    emit(rows, output_format, fit=("name", "roles", "models", "operations"))


@keys.command(epilog="Example: `keepstone keys revoke 3f9c2a7b10de`")
@click.argument("key_id")
@by_option
@home_option
@database_option
def revoke(key_id: str, by: str, home: Path | None, database: str | None) -> None:
    """Revoke a key; running gateways refuse it from their next call on, and it is put on record."""
    from keepstone.cli.key_record import revoked
    from keepstone.cli.on_record import made_key, put_on_record

    store = _existing(home, database)
    folder = home or from_environment().home
    refuse_other_owner(Settings(home=folder))
    key = store.revoke(key_id, time.time_ns())
    if key is None:
        raise UsageError("there is no key of this id", hint="`keepstone keys list` shows the ids")
    try:
        put_on_record(*made_key(folder), revoked(key, by))
    except KeepstoneError as error:
        raise LedgerError(
            f"key `{key.id}` is revoked, but that is not on record: {error.message}",
            hint=error.hint or "run the command again when the ledger can be written",
        ) from error
    talk(f"key `{key.id}` for `{key.name}` is revoked since {_date(key.revoked_ns or 0)}")


def _existing(home: Path | None, database: str | None) -> "KeyStore":
    """Open the keys of a gateway; raise `UsageError` where none has ever been."""
    from keepstone.store.engine import open_database
    from keepstone.store.keys import KeyStore

    target = _database(home, database)
    if isinstance(target, Path) and not target.exists():
        raise UsageError(f"there is no `{target}`", hint="name the gateway's folder with `--home`")
    return KeyStore(open_database(target))


def _database(home: Path | None, database: str | None) -> Path | str:
    """Return what the gateway of this folder or URL uses; a URL goes before a folder."""
    settings = from_environment()
    if home is not None and database is None and not settings.database_url:
        return replace(settings, home=home).database
    return database or settings.database


def _date(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
