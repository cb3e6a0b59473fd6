"""`/session`: sign in, who am I, sign out; for the pages that people open in a browser.

Everything here is rare, so it may wait: for the provider, and for the database that knows which sessions were
ended. What cannot be told ends in a refusal.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import structs

from keepstone.core.errors import IdentityError, KeepstoneError
from keepstone.core.principal import Principal
from keepstone.gateway.identify.claims import ClaimReader
from keepstone.gateway.identify.code_flow import PATIENCE_S, SignIn
from keepstone.gateway.identify.sessions import (
    SESSION,
    SIGN_IN,
    Sealer,
    Session,
    SignInState,
    cookies_of,
    set_cookie,
)
from keepstone.store.sessions import EndedSessions

PATH = "/session"
MAX_FIELDS = 32
MAX_FORM_BYTES = 4096
RENEW_S = 60
"""A cookie that was seen less than this ago is not sent anew."""
LOG = logging.getLogger("keepstone.identify")

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
Record = Callable[[str, dict[str, str]], Awaitable[None]]
_SAFE: Headers = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class SessionPages:
    """Serves `/session` as long as the gateway lives; each request brings the sign-in that is in force."""

    def __init__(
        self, sealer: Sealer, ended: EndedSessions, record: Record, now: Callable[[], float]
    ) -> None:
        self._sealer = sealer
        self._ended = ended
        self._record = record
        self._now = now

    async def __call__(self, sign_in: SignIn, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one request."""
        try:
            status, headers, body = await self._answer(sign_in, scope, receive)
        except IdentityError as error:
            LOG.warning("a sign-in failed: %s", error.message)
            status, headers, body = _page(403, f"{error.message}.", _LINK)
        except KeepstoneError as error:
            LOG.error("a session could not be served: %s", error.message)  # noqa: TRY400 - the cause is there
            status, headers, body = _page(503, "sessions cannot be served at the moment.")
        headers = [*_SAFE, *headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def session(self, sign_in: SignIn, scope: Mapping[str, Any]) -> Session | None:
        """Return the session of a request, if it has one that is good now; raise `StoreError` if unknown."""
        text = cookies_of(_header(scope, b"cookie")).get(SESSION, "")
        found = self._sealer.open(SESSION, text, Session)
        now = self._now()
        if found is None or found.provider != sign_in.config.provider:
            return None
        if now >= found.begun + sign_in.lifetime_s or now >= found.seen + sign_in.idle_s:
            return None
        return None if await asyncio.to_thread(self._ended.has, found.id) else found

    async def _answer(self, sign_in: SignIn, scope: Mapping[str, Any], receive: Any) -> Answer:
        match scope["method"], scope["path"]:
            case "GET", "/session":
                return await self._who(sign_in, scope)
            case "GET", "/session/login":
                return await self._begin(sign_in, _query(scope))
            case "GET", "/session/callback":
                return await self._finish(sign_in, scope)
            case "POST", "/session/logout":
                return await self._end(sign_in, scope, receive)
            case _:
                return _page(404, "there is nothing here.")

    async def _begin(self, sign_in: SignIn, query: Mapping[str, str]) -> Answer:
        back = query.get("back", PATH)
        address, state = await sign_in.begin(
            back if _is_local(back) else PATH, self._now(), fresh="fresh" in query
        )
        cookie = set_cookie(SIGN_IN, self._sealer.seal(SIGN_IN, state), PATIENCE_S)
        return _redirect(address, cookie)

    async def _finish(self, sign_in: SignIn, scope: Mapping[str, Any]) -> Answer:
        text = cookies_of(_header(scope, b"cookie")).get(SIGN_IN, "")
        state = self._sealer.open(SIGN_IN, text, SignInState)
        if state is None:
            raise IdentityError("this browser has begun no sign-in")
        session = await sign_in.finish(_query(scope), state, self._now())
        await self._record("session.begun", {"principal": session.subject, "level": session.level})
        return _redirect(state.back, self._cookie(sign_in, session), set_cookie(SIGN_IN, "", 0))

    async def _end(self, sign_in: SignIn, scope: Mapping[str, Any], receive: Any) -> Answer:
        session = await self.session(sign_in, scope)
        if session is None:
            return _redirect(PATH, set_cookie(SESSION, "", 0))
        given = dict(parse_qsl((await _form(receive)).decode("latin-1"))).get("csrf", "")
        if not hmac.compare_digest(given.encode(), session.csrf.encode()):
            return _page(403, "this form is not of your session.")
        until_ns = int((session.begun + sign_in.lifetime_s) * 1e9)
        await asyncio.to_thread(self._ended.end, session.id, until_ns, int(self._now() * 1e9))
        await self._record("session.ended", {"principal": session.subject})
        return _redirect(PATH, set_cookie(SESSION, "", 0))

    async def _who(self, sign_in: SignIn, scope: Mapping[str, Any]) -> Answer:
        session = await self.session(sign_in, scope)
        wants_json = b"application/json" in _header(scope, b"accept")
        if session is None:
            return (
                _json(401, {"signed_in": False})
                if wants_json
                else _page(401, "you are not signed in.", _LINK)
            )
        headers: Headers = []
        if self._now() - session.seen >= RENEW_S:
            renewed = structs.replace(session, seen=self._now())
            headers.append((b"set-cookie", self._cookie(sign_in, renewed)))
        status, more, body = (
            _json(200, _told(principal_of(session, sign_in), session)) if wants_json else _welcome(session)
        )
        return status, [*more, *headers], body

    def _cookie(self, sign_in: SignIn, session: Session) -> bytes:
        left = session.begun + sign_in.lifetime_s - self._now()
        return set_cookie(
            SESSION, self._sealer.seal(SESSION, session), max(0, int(min(left, sign_in.idle_s)))
        )


def principal_of(session: Session, sign_in: SignIn) -> Principal:
    """Return the caller that a session stands for, with the roles that the policy gives now."""
    return Principal(
        id=session.subject,
        kind="session",
        roles=ClaimReader(session.provider, sign_in.provider).roles(list(session.values)),
        signed_in=session.signed_in,
        methods=session.methods,
        level=session.level,
    )


def _told(principal: Principal, session: Session) -> dict[str, Any]:
    return {
        "signed_in": True,
        "id": principal.id,
        "name": session.name,
        "roles": principal.roles,
        "methods": principal.methods,
        "level": principal.level,
        "authenticated_at": principal.signed_in,
        "begun": session.begun,
        "csrf": session.csrf,
    }


_LINK = '<p><a href="/session/login">Sign in</a></p>'


def _welcome(session: Session) -> Answer:
    form = (
        '<form method="post" action="/session/logout">'
        f'<input type="hidden" name="csrf" value="{escape(session.csrf)}"><button>Sign out</button></form>'
    )
    return _page(200, f"you are signed in as {session.name or session.subject}.", form)


def _page(status: int, sentence: str, more: str = "") -> Answer:
    text = escape(sentence[:1].upper() + sentence[1:])
    body = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Keepstone</title><p>{text}</p>{more}'
    return status, [(b"content-type", b"text/html; charset=utf-8")], body.encode()


def _json(status: int, value: Any) -> Answer:
    return status, [(b"content-type", b"application/json")], msgspec.json.encode(value)


def _redirect(address: str, *cookies: bytes) -> Answer:
    return 303, [(b"location", address.encode("latin-1")), *((b"set-cookie", each) for each in cookies)], b""


def _is_local(path: str) -> bool:
    """Say whether a path stays here: browsers read `//host` and `/\\host` as other hosts."""
    return path.isascii() and path.isprintable() and path[:1] == "/" and path[1:2] not in ("/", "\\")


def _header(scope: Mapping[str, Any], name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _query(scope: Mapping[str, Any]) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:  # more fields than any page of ours has
        return {}
    return dict(pairs)


async def _form(receive: Any) -> bytes:
    """Return a small body; what is larger is not one of our forms."""
    body, more = b"", True
    while more and len(body) <= MAX_FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= MAX_FORM_BYTES else b""
