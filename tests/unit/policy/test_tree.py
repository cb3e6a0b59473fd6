"""Hostile and surprising YAML becomes a tree as documented, or a problem; never a traceback."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.policy.tree import MAX_BYTES, Source, parse
from tests.laws import examples
from tests.unit.policy.documents import MINIMAL, loaded, problems_of


def value_of(text: str) -> object:
    node, problems = parse(text, Source("f", tuple(text.split("\n"))))
    assert problems == []
    return node.plain


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", "NO"), ("no", "no"), ("on", "on"), ("y", "y"), ("Yes", "Yes"), ("off", "off"),
        ("true", True), ("False", False), ("'true'", "true"),
        ("null", None), ("~", None), ("", None), ("'~'", "~"),
        ("12", 12), ("-3", -3), ("0", 0), ("'12'", "12"),
        ("1_000", "1_000"), ("0755", "0755"), ("0o17", "0o17"), ("0x1f", "0x1f"), ("1:30", "1:30"),
        ("12e3", "12e3"), ("1.5", 1.5), (".inf", ".inf"), ("9" * 30, "9" * 30), ("9" * 5000, "9" * 5000),
        ("2026-01-01", "2026-01-01"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("=", "="),
    ],
)  # fmt: skip
def test_a_plain_scalar_means_what_the_narrow_core_schema_says(written: str, meant: object) -> None:
    value = value_of(f"a: {written}")["a"]
    assert (value, type(value)) == (meant, type(meant))


def test_norway_is_a_jurisdiction() -> None:
    text = MINIMAL.replace("Acme", "Acme, jurisdictions: [NO, EU]")
    assert loaded(text).document.organisation.jurisdictions == ("NO", "EU")


def test_keys_are_text_as_written() -> None:
    assert value_of("on: 1\n1: 2\ntrue: 3\nnull: 4") == {"on": 1, "1": 2, "true": 3, "null": 4}


def test_an_alias_is_the_value_it_names() -> None:
    assert value_of("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)

HOSTILE = {
    "empty": (b"", 1, 1, "empty"),
    "only a comment": (b"# nothing\n", 1, 1, "empty"),
    "null": (b"~\n", 1, 1, "empty"),
    "a list": (b"- 1\n", 1, 1, "expected a map at the top"),
    "a word": (b"hello\n", 1, 1, "expected a map at the top"),
    "tab": (b"a:\n\tb: 1\n", 2, 1, "tab"),
    "nul": (b"a: b\nc: \x00\n", 2, 4, "U+0000"),
    "escape": (b"a: \x1b[31m\n", 1, 4, "U+001B"),
    "latin-1": (b"a: 1\nb: caf\xe9\n", 2, 7, "UTF-8"),
    "utf-16": ("a: 1".encode("utf-16"), 1, 1, "UTF-8"),
    "too large": (b"#" * (MAX_BYTES + 1), 1, 1, "larger than 1024 KiB"),
    "deep": (b"a: " + b"[" * 5000, 1, 35, "nested deeper"),
    "deep maps": (b"{a: " * 3000, 1, 129, "nested deeper"),
    "alias bomb": (BOMB.encode(), 5, 45, "aliases expanded"),
    "alias of itself": (b"a: &x [*x]\n", 1, 8, "unknown alias"),
    "unknown alias": (b"a: *x\n", 1, 4, "unknown alias"),
    "tag": (b"a: !!python/object:os.system x\n", 1, 4, "tag"),
    "tagged map": (b"a: !x {b: 1}\n", 1, 4, "tag"),
    "merge key": (b"a: &a {b: 1}\nc:\n  <<: *a\n", 3, 3, "merge keys"),
    "second document": (b"a: 1\n---\nb: 2\n", 2, 1, "second document"),
    "list as key": (b"? [a]\n: 1\n", 1, 3, "a key must be text"),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key `a`"),
    "duplicate key of other form": (b"a: 1\n'a': 3\n", 2, 1, "duplicate key `a`"),
    "unclosed": (b"a: [1, 2\n", 2, 1, "not valid YAML"),
    "second colon": (b"a: b: c\n", 1, 5, "second `:`"),
    "bad escape": (b'a: "\\UFFFFFFFF"\n', 1, 1, "not YAML that can be read"),
    "surrogate escape": (b'a: "\\ud800"\n', 1, 4, "U+D800"),
    "nul escape": (b'a: "\\0"\n', 1, 4, "U+0000"),
    "odd directive": (b"%YAML 1." + b"1" * 5000 + b"\n---\na: 1\n", 1, 1, "not YAML that can be read"),
}


@pytest.mark.parametrize("row", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_a_problem_with_a_place(row: tuple) -> None:
    raw, line, column, words = row
    found = [(each.line, each.column) for each in problems_of(raw) if words in each.message]
    assert (line, column) in found


def test_a_byte_order_mark_is_accepted() -> None:
    assert problems_of(b"\xef\xbb\xbf" + MINIMAL.encode()) == ()


def test_windows_line_ends_keep_their_places() -> None:
    text = MINIMAL.replace("[dev]", "[dve]").replace("\n", "\r\n")
    assert next(each.position for each in problems_of(text)) == "keepstone.yaml:12:17"


def test_an_excerpt_shows_a_far_column() -> None:
    (problem,) = [p for p in problems_of(f"{{{' ' * 500}versoin: 1}}") if "versoin" in p.message]
    line, caret = problem.excerpt.split("\n")
    assert line[caret.index("^") :].startswith("versoin")


def _never_more_than_a_refusal(raw: bytes) -> None:
    """Load or refuse; whatever else is raised fails the test."""
    for problem in problems_of(raw):
        assert problem.line >= 1
        assert problem.column >= 1
        (problem.message + problem.excerpt + problem.hint).encode()


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_loaded(raw: bytes) -> None:
    _never_more_than_a_refusal(raw)


_SYNTAX = st.sampled_from(
    [*"{}[]:,-?&*!|>'\"%@`#~\n\t \\0ab1", "\u2028", "\x85", "é", "\ufeff", "- ", ": ", "\n  "]
)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(_SYNTAX, max_size=60))
def test_any_yaml_like_text_is_refused_or_loaded(parts: list[str]) -> None:
    _never_more_than_a_refusal("".join(parts).encode())


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, len(MINIMAL)), st.integers(0, 40), st.lists(_SYNTAX, max_size=8))
def test_any_damage_to_a_document_is_refused_or_loaded(at: int, cut: int, parts: list[str]) -> None:
    _never_more_than_a_refusal((MINIMAL[:at] + "".join(parts) + MINIMAL[at + cut :]).encode())
