"""`keepstone ledger erase`, `ledger prune`, and the reading of kept content."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.on_record import (
    bounded_text,
    by_option,
    ledger_option,
    opened_key,
    put_on_record,
    reason_option,
)
from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import LedgerError, UsageError
from keepstone.core.settings import from_environment

if TYPE_CHECKING:
    from keepstone.ledger.ports import EnvelopeKey
    from keepstone.policy.schema.record import Retention

_FINDINGS = 1
_UNKNOWN = 3
_NO_KEY = {
    True: "no key is kept for this subject any more: what records name of it cannot be read",
    False: "no key is kept for this subject, and no record names it: it may be mistyped or never had content",
}


policy_option = click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    help="The policy document.  [default: KEEPSTONE_POLICY, keepstone.yaml]",
)


@click.command(
    epilog="""\b
Example:
  keepstone ledger erase --subject customer-4711 --reason "request of 2026-11-20"
  keepstone ledger erase --subject key:3eb71e41e977 --reason "contract ended"

\b
Exit status: 0 no key of the subject is left, 1 a legal hold forbids it, 2 usage,
3 nothing was erased, for no key is kept and no record names the subject: it may
be mistyped, or never had content."""
)
@click.option(
    "--subject",
    required=True,
    callback=bounded_text,
    help="As the calls named it; `key:<id>` for a key's.",
)
@reason_option
@by_option
@ledger_option
@format_option
def erase(subject: str, reason: str, by: str, directory: Path, output_format: str) -> int:
    """Destroy a subject's key, so that nobody can read its kept content again; the log still verifies.

    A running gateway obeys at once; what the subject says later is kept under a new key.
    """
    from keepstone.ledger.notices import ERASED, Notice
    from keepstone.ledger.retention import hold_on_subject, names_subject
    from keepstone.ledger.subject_keys import key_id

    settings, key = opened_key(directory)
    hashed = key.subject(subject)
    detail = {"subject": hashed, "reason": reason, "by": by}
    hold = hold_on_subject(directory, hashed)
    if hold is not None:
        put_on_record(settings, key, Notice("content.erasure_refused", {**detail, "hold": hold.id}))
        emit({"erased": False, "subject": hashed, "hold": hold.id, "because": hold.reason}, output_format)
        return _FINDINGS
    which = key_id(settings.subjects, hashed)
    if which:
        put_on_record(settings, key, Notice(ERASED, {**detail, "key": which}))
        emit({"erased": True, "subject": hashed, "key": which}, output_format)
        return 0
    known = names_subject(directory, hashed)
    emit({"erased": False, "subject": hashed, "key": "", "because": _NO_KEY[known]}, output_format)
    if not known:
        talk("hint: a subject is written as the calls named it; `key:ID` for a key's (`keepstone keys list`)")
    return 0 if known else _UNKNOWN


@click.command(
    epilog="""\b
Example:
  keepstone ledger prune --dry-run
  keepstone ledger prune --days 500 --content-days 60
  keepstone ledger prune --days 30 --below-policy --reason "order of the court, 2026-17"

\b
Exit status: 0 done, 2 usage, such as fewer days than the policy keeps."""
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--days", type=click.IntRange(1), help="Age of records.  [default: the policy's]")
@click.option("--content-days", type=click.IntRange(1), help="Age of content.  [default: the policy's]")
@click.option("--below-policy", is_flag=True, help="Remove what the policy still keeps; needs `--reason`.")
@click.option("--reason", callback=bounded_text, help="Why below the policy; stands in the record.")
@policy_option
@by_option
@ledger_option
@format_option
def prune(
    dry_run: bool,
    policy_file: Path | None,
    by: str,
    directory: Path,
    output_format: str,
    **wanted: Any,
) -> int:
    """Remove records and kept content that are older than the policy's retention.

    A running gateway may go on. Hashes of removed records stay, so the log verifies and says how many are
    gone. What a legal hold covers stays. Fewer days than the policy's are refused without `--below-policy`.
    """
    from keepstone.ledger.notices import Notice
    from keepstone.ledger.retention import remove_old

    settings, key = opened_key(directory)
    bounds = _bounds(_retention(policy_file), wanted, dry_run=dry_run)
    detail = {"days": str(bounds.days), "content_days": str(bounds.content_days), "by": by}
    if bounds.below and not dry_run:  # what is out of the ordinary is on record before it is done
        order = {**detail, "policy": bounds.below, "reason": wanted["reason"]}
        put_on_record(settings, key, Notice("ledger.prune_ordered", order))
    days = (bounds.days, bounds.content_days)
    removed = remove_old(directory, key, datetime.now(UTC), days, dry_run=dry_run)
    if not dry_run and (removed.records or removed.parts):
        put_on_record(settings, key, Notice("ledger.pruned", {**removed.detail, **detail}))
    if dry_run:
        talk("nothing was removed: this says what would be")
        if bounds.below:
            talk(f"the policy keeps {bounds.below}: removing it takes `--below-policy` and `--reason`")
    emit(removed.detail, output_format)
    return 0


@dataclass(frozen=True, slots=True)
class _Bounds:
    """For how many days is kept; `below` says what of the policy that falls short of, if it does."""

    days: int
    content_days: int
    below: str


def _bounds(policy: "Retention", wanted: dict[str, Any], *, dry_run: bool) -> _Bounds:
    """Return what is asked for; raise `UsageError` for less than the policy keeps, unless that is ordered."""
    days = wanted["days"] or policy.ledger_days
    content_days = wanted["content_days"] or policy.content_days
    short = []
    if days < policy.ledger_days:
        short.append(f"records for {policy.ledger_days} days")
    if content_days < policy.content_days:
        short.append(f"content for {policy.content_days} days")
    below = " and ".join(short)
    if below and not dry_run and not wanted["below_policy"]:
        hint = "change `retention` of the policy, or give `--below-policy` and `--reason`, which is recorded"
        raise UsageError(f"the policy keeps {below}", hint=hint)
    if below and not dry_run and not wanted["reason"]:
        raise UsageError("`--below-policy` needs `--reason`", hint="it stands in the record")
    return _Bounds(days, content_days, below)


def _retention(policy_file: Path | None) -> "Retention":
    from keepstone.policy.load import load

    settings = from_environment()
    return load(policy_file or settings.policy, settings.environment).document.retention


def _service(policy_file: Path | None, log: str) -> "EnvelopeKey | None":
    """Return the KMS key of the policy; it is asked only for what KMS has wrapped."""
    from keepstone.aws.kms import KmsKey

    envelope = _retention(policy_file).envelope
    return KmsKey(envelope, log) if envelope else None


def reveal(directory: Path, which: str, by: str, policy_file: Path | None) -> dict[str, Any]:
    """Return a call's kept content as text; that it is read is on record before.

    Raise `UsageError` when none is kept, `LedgerError` when it was erased, expired or changed.
    """
    from keepstone.ledger.envelopes import Envelopes
    from keepstone.ledger.notices import Notice
    from keepstone.ledger.record import decode
    from keepstone.ledger.sealing import Part
    from keepstone.ledger.subject_keys import SubjectKeys
    from keepstone.ledger.vault import find, read
    from keepstone.ledger.whole import WholeReader

    settings, key = opened_key(directory)
    notes = [decode(entry).sealed for _, entry in WholeReader(directory).find(which)]
    parts: tuple[Part, ...] = ("request", "response")
    named = [(note, part) for note in notes for part in parts if getattr(note, part)]
    if not named:
        raise UsageError(
            f"no content is kept of `{which}`", hint="the policy's `retention.content` decides it"
        )
    keys = SubjectKeys(settings.subjects, Envelopes(settings.keys, lambda: _service(policy_file, key.name)))
    found: dict[str, Any] = {"id": which}
    for note, part in named:
        frame = find(directory, note, part)
        if frame is None:
            raise LedgerError("the content is gone: it has expired, or its file was removed or changed")
        if (frame.label.id, frame.label.part, frame.label.log) != (which, part, key.name):
            raise LedgerError("the stored content is another call's", code="ledger.corrupt")
        found[part] = read(frame, keys).decode("utf-8", "replace")
    put_on_record(settings, key, Notice("content.read", {"id": which, "by": by}))
    return found
