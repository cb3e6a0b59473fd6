"""The one tree of errors; each carries a stable code, a message and a hint.

    KeepstoneError
    ├── UsageError          the command line asks for something impossible      (exit 2)
    ├── PolicyError         the policy document is not valid, with positions    (exit 2)
    ├── LedgerError         the record cannot be written or does not verify
    │   ├── LedgerFull      the queue or the disk is full; nothing was accepted
    │   └── LedgerCorrupt   what is on disk is not what was written
    ├── StoreError          the database refused or is not ours
    ├── IdentityError       an identity provider did not give a usable answer
    ├── GuardError          a guardrail cannot be compiled or evaluated
    ├── DeployError         Terraform refused, or what it left behind is not as expected
    ├── RequestError        a call's body is not what the protocol asks for
    └── UpstreamError       a model's server did not give a usable answer
        └── WireError       the bytes of its answer do not follow the protocol

Messages are lower case without a full stop, values stand in backticks, and neither a secret nor personal
content ever stands in one.
"""


class KeepstoneError(Exception):
    """Base of every error that Keepstone raises on purpose."""

    code = "keepstone.error"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code:
            self.code = code


class UsageError(KeepstoneError):
    """The command line asks for something impossible."""

    code = "usage"


class PolicyError(KeepstoneError):
    """The policy document is not valid; `keepstone.policy.load` adds file, line and column."""

    code = "policy.invalid"


class LedgerError(KeepstoneError):
    """The record cannot be written, read or verified."""

    code = "ledger.error"


class LedgerFull(LedgerError):  # noqa: N818 - the state, as its readers call it
    """The queue or the disk is full: the record was not accepted and the answer must not be released."""

    code = "ledger.full"


class LedgerCorrupt(LedgerError):  # noqa: N818 - the state, as its readers call it
    """What is on disk is not what was written."""

    code = "ledger.corrupt"


class StoreError(KeepstoneError):
    """The database refused, cannot be reached or is not ours."""

    code = "store.error"


class IdentityError(KeepstoneError):
    """An identity provider cannot be reached, or what it answered cannot be used."""

    code = "identity.provider"


class GuardError(KeepstoneError):
    """A guardrail cannot be compiled or evaluated."""

    code = "guard.error"


class DeployError(KeepstoneError):
    """Terraform cannot be run, or refused; or what lies in a deployment's folder is not as it was left."""

    code = "deploy.error"


class RequestError(KeepstoneError):
    """A call's body is not what the protocol asks for; the message is worded as AWS words it."""

    code = "request.malformed"


class UpstreamError(KeepstoneError):
    """A model's server did not give a usable answer.

    `retryable` says that no byte of an answer was received, or that the server asked to be tried again, so
    the same request may go to the next attempt or upstream.
    """

    code = "upstream.error"

    def __init__(self, message: str, *, hint: str = "", code: str = "", retryable: bool = False) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retryable = retryable


class WireError(UpstreamError):
    """The bytes of a server's answer do not follow the protocol."""

    code = "wire.malformed"
