"""A key of AWS KMS as the envelope key of kept content: `GenerateDataKey` and `Decrypt`.

The encryption context binds what is wrapped to the ledger and to its subject, a keyed hash; KMS refuses to
open it for another. Waiting is bounded, and while KMS is out of reach it is asked once in a few seconds only.
Errors carry the service's code and never its answer: that holds keys.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import botocore.config
import botocore.exceptions
import botocore.session

from keepstone.core.errors import LedgerError
from keepstone.policy.schema.record import KmsEnvelope

CODE = "content.kms"
LOG_CONTEXT, SUBJECT_CONTEXT = "keepstone:log", "keepstone:subject"
_KEY_BYTES = 32
_CONNECT_S, _READ_S, _ATTEMPTS = 1, 2, 2
_QUIET_S = 3.0
"""How long KMS is not asked again after it could not be reached."""
_OUT_OF_REACH = "check the network, `retention.envelope` and the AWS credentials"
_PERMISSIONS = (
    "the identity needs kms:GenerateDataKey and kms:Decrypt for this key, and the key to be enabled"
)
_FOREIGN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsKey:
    """One KMS key that wraps data keys of one log; for one thread."""

    def __init__(self, config: KmsEnvelope, log: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._keys = (config.kms_key_id, *config.former_key_ids)
        self._log = log
        self._clock = clock
        self._client: Any = None
        self._proven = False
        self._quiet_until, self._said = 0.0, ""

    def make(self, context: str) -> tuple[bytes, bytes]:
        """Return a new data key and its wrapped form; the first one is opened again before it is used.

        So nothing is sealed by an identity that may make keys and must not open them.
        """
        made = self._ask(
            "generate_data_key",
            KeyId=self._config.kms_key_id,
            NumberOfBytes=_KEY_BYTES,
            EncryptionContext=self._context(context),
        )
        secret, wrapped = _data_key(made), bytes(made["CiphertextBlob"])
        if not self._proven and self.unwrap(wrapped, context) != secret:
            raise LedgerError("KMS opened a new data key as another one", code=CODE)
        self._proven = True
        return secret, wrapped

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the data key of a wrapped form; raise `LedgerError` when KMS refuses or does not answer."""
        for key in self._keys[:-1]:
            with suppress(_ForeignError):
                return self._decrypt(key, wrapped, context)
        return self._decrypt(self._keys[-1], wrapped, context)

    def _decrypt(self, key: str, wrapped: bytes, context: str) -> bytes:
        # The key is named: without it, KMS opens what any key has wrapped that this identity may use.
        answer = self._ask(
            "decrypt", KeyId=key, CiphertextBlob=wrapped, EncryptionContext=self._context(context)
        )
        return _data_key(answer)

    def _context(self, subject: str) -> dict[str, str]:
        return {LOG_CONTEXT: self._log, SUBJECT_CONTEXT: subject}

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        if self._clock() < self._quiet_until:
            raise LedgerError(self._said, hint=_OUT_OF_REACH, code=CODE)
        try:
            self._client = self._client or _connected(self._config)
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except botocore.exceptions.ClientError as error:
            raise _refused(operation, str(error.response.get("Error", {}).get("Code", "refused"))) from error
        except (botocore.exceptions.BotoCoreError, RuntimeError, ValueError) as error:
            self._quiet_until = self._clock() + _QUIET_S
            self._said = f"KMS cannot be asked: `{type(error).__name__}`"
            raise LedgerError(self._said, hint=_OUT_OF_REACH, code=CODE) from error
        return answer


class _ForeignError(LedgerError):
    """What is to be opened was wrapped by another key, or for another log or subject."""

    code = CODE


def _data_key(answer: dict[str, Any]) -> bytes:
    secret = answer["Plaintext"]
    if not isinstance(secret, bytes) or len(secret) != _KEY_BYTES:
        raise LedgerError(f"KMS gave no data key of `{_KEY_BYTES}` bytes", code=CODE)
    return secret


def _refused(operation: str, code: str) -> LedgerError:
    name = {"generate_data_key": "GenerateDataKey", "decrypt": "Decrypt"}[operation]
    if code in _FOREIGN:
        return _ForeignError(
            f"a subject's key does not open with the KMS key (`{name}`: `{code}`)",
            hint="it was changed, or wrapped by another key, or for another log or subject",
        )
    return LedgerError(f"the KMS key cannot be used (`{name}`: `{code}`)", hint=_PERMISSIONS, code=CODE)


def _connected(config: KmsEnvelope) -> Any:
    session = botocore.session.Session(profile=config.profile or None)
    patience = botocore.config.Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        tcp_keepalive=True,
    )
    return session.create_client(
        "kms", region_name=config.place, endpoint_url=config.endpoint_url or None, config=patience
    )
