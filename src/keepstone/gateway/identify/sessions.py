"""Sessions of people in a browser: what a cookie holds, sealed so that nobody else can read or write it.

AES-256-GCM under a key that all workers share; the cookie's name is bound in, so that one kind of cookie
never passes for another. A session ends when it is idle, when its time is over, or when it is ended.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

SESSION = "__Host-keepstone"
SIGN_IN = "__Host-keepstone-sign-in"
MAX_COOKIE_BYTES = 3800
_NONCE = 12

_T = TypeVar("_T", bound=Struct)


class SignInState(Struct, frozen=True, forbid_unknown_fields=True):
    """What has to be remembered between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str
    back: str
    until: float


class Session(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is signed in, since when; times are seconds since the epoch.

    `values` are those of the roles claim that the policy knew: roles follow the policy that is in force now.
    """

    id: str
    provider: str
    subject: str
    name: str
    values: tuple[str, ...]
    methods: tuple[str, ...]
    level: str
    signed_in: float
    begun: float
    seen: float
    csrf: str


class Sealer:
    """Seals structs into texts that fit a cookie, and opens them again; the key is read when first needed."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self._key())

    def seal(self, name: str, value: Struct) -> str:
        """Return the cookie's value."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, msgspec.msgpack.encode(value), name.encode())
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, name: str, text: str, kind: type[_T]) -> _T | None:
        """Return what was sealed under this name; `None` for anything that we have not sealed."""
        if not text or len(text) > MAX_COOKIE_BYTES:
            return None
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], name.encode())
            return msgspec.msgpack.decode(plain, type=kind)
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            return None


def cookies_of(header: bytes) -> dict[str, str]:
    """Return the cookies of a request, the first of each name."""
    found: dict[str, str] = {}
    for each in header.decode("latin-1").split(";"):
        name, separator, value = each.strip().partition("=")
        if separator:
            found.setdefault(name, value)
    return found


def set_cookie(name: str, value: str, max_age: int) -> bytes:
    """Return a `Set-Cookie` header; `__Host-` demands `Secure`, `Path=/` and no `Domain` (RFC 6265bis).

    `Lax`, not `Strict`: the provider sends the browser back to us from another site.
    """
    return f"{name}={value}; Path=/; Max-Age={max_age}; Secure; HttpOnly; SameSite=Lax".encode()
