import os

from hypothesis import given
from hypothesis import strategies as st

from keepstone.gateway.identify.session_pages import _is_local
from keepstone.gateway.identify.sessions import SESSION, SIGN_IN, Sealer, Session, SignInState, cookies_of

KEY = os.urandom(32)
SEALER = Sealer(lambda: KEY)
STATE = SignInState("state", "nonce", "verifier", "/", 1.0)


def test_what_was_sealed_opens_under_its_own_name_kind_and_key_only():
    sealed = SEALER.seal(SIGN_IN, STATE)
    assert SEALER.open(SIGN_IN, sealed, SignInState) == STATE
    assert SEALER.open(SESSION, sealed, SignInState) is None
    assert SEALER.open(SIGN_IN, sealed, Session) is None
    assert Sealer(lambda: os.urandom(32)).open(SIGN_IN, sealed, SignInState) is None
    assert SEALER.seal(SIGN_IN, STATE) != sealed


@given(st.text(max_size=120) | st.text("AZaz09-_=", max_size=4000))
def test_nothing_else_opens_and_nothing_raises(text):
    assert SEALER.open(SESSION, text, Session) is None


@given(st.binary(max_size=80))
def test_cookies_of_any_bytes(header):
    assert isinstance(cookies_of(header), dict)


def test_the_first_cookie_of_a_name_counts():
    assert cookies_of(b"a=1; b=2;a=3; =x; c") == {"a": "1", "b": "2", "": "x"}


def test_only_paths_of_this_host_are_gone_back_to():
    tried = ("/a?b=c", "/", "//x", "/\\x", "x", "", "https://x", "/\r\nx", "/é")
    assert [each for each in tried if _is_local(each)] == ["/a?b=c", "/"]
