import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.guard.compile import compile_guardrail
from keepstone.guard.guardrail import Direction, Outcome, Text
from keepstone.guard.stream import FIRST_STRIDE, StreamScanner
from keepstone.policy.schema import guardrails as schema
from keepstone.policy.schema.guardrails import Action, PiiType

REGEX = schema.CustomRegex(name="ticket", pattern=r"TCK-\d+", action=Action.ANONYMIZE)
MASK_ALL = compile_guardrail(
    "mask",
    schema.Guardrail(
        pii=dict.fromkeys(PiiType, Action.ANONYMIZE), credentials=Action.ANONYMIZE, regexes=(REGEX,)
    ),
)
BLOCKING = compile_guardrail(
    "block", schema.Guardrail(pii={PiiType.EMAIL: Action.ANONYMIZE}, words=("blue harbor",))
)
BUFFERED = compile_guardrail(
    "buffered", schema.Guardrail(pii={PiiType.EMAIL: Action.ANONYMIZE}, stream=schema.StreamScan.BUFFERED)
)
ALNUM = "a1B2c3D4e5F6g7H8i9J0" * 5
PROSE = "We will look at the numbers again next week and tell you then. "

_words = st.sampled_from(
    ["the", "report", "of", "2024", "is", "ready,", "and", "we", "(all)", "meet", "at", "10:30;", "p.", "12."]
)
_values = st.sampled_from(
    [
        "jane.doe@example.com",
        "4111 1111 1111 1111",
        "378282246310005",
        "x4111111111111111",
        "4111\n1111\n1111\n1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "41111111 11111111",
        "DE89 3704 0044 0532 0130 00",
        "+49 30 901820",
        "(212) 555-0142",
        "phone: 030 901820",
        "219-09-9999",
        "password: hunter2!x",
        "my PIN is 4821",
        "AB 12 34 56 C",
        "https://example.com/a/b?c=d",
        "192.0.2.77",
        "he is aged 34",
        "TCK-12345",
        "ghp_" + ALNUM[:36],
        "AKIA" + "IOSFODNN7EXAMPLE",
        "Authorization: Bearer " + ALNUM,
        "postgresql://app:s3cr3t" + "pw@db.example/x",
        "-----BEGIN PRIVATE KEY-----\n" + "\n".join([ALNUM[:64]] * 12) + "\n-----END PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + ALNUM[:43],
    ]
)
_gaps = st.sampled_from([" ", " ", " ", "\n", ", ", " \u2013 ", "。", " 漢字", " über "])
_prose = st.lists(st.one_of(_words, _words, _values), max_size=60).flatmap(
    lambda parts: st.lists(_gaps, min_size=len(parts), max_size=len(parts)).map(
        lambda gaps: "".join(a + b for a, b in zip(parts, gaps, strict=True))
    )
)
_hostile = st.text("14@.:- aeE\nyJ漢/=+xptks_", max_size=900)


def _stream(guardrail, text, cuts):
    scanner = StreamScanner(guardrail)
    released, position = [], 0
    for cut in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        released.append(scanner.feed(text[position:cut]))
        position = cut
    released.append(scanner.finish())
    return "".join(released), scanner.findings, scanner.blocked


_cuts = st.lists(st.integers(0, 5000), max_size=30)


@settings(deadline=None)
@given(st.one_of(_prose, _hostile), _cuts)
@pytest.mark.parametrize("guardrail", [MASK_ALL, BLOCKING], ids=["mask", "block"])
def test_any_chunking_gives_the_same(guardrail, text, cuts):
    assert _stream(guardrail, text, cuts) == _stream(guardrail, text, [])


@settings(deadline=None)
@given(_prose)
def test_a_stream_gives_what_the_whole_text_gives(text):
    released, findings, _ = _stream(MASK_ALL, text, range(0, len(text), 7))
    whole = MASK_ALL.inspect([Text(text)], Direction.OUTPUT)
    assert released == whole.texts[0]
    assert findings == whole.findings


@pytest.mark.parametrize("distance", range(0, 420, 3))
def test_a_find_is_masked_wherever_it_stands(distance):
    text = (PROSE * 10)[:distance] + " mail jane.doe@example.com and 4111 1111 1111 1111 then " + PROSE * 6
    released, _, _ = _stream(MASK_ALL, text, range(len(text)))
    assert released == MASK_ALL.inspect([Text(text)], Direction.OUTPUT).texts[0]
    assert "jane" not in released
    assert "4111" not in released


@pytest.mark.parametrize("step", [1, 7, 50, 5000])
def test_a_block_ends_the_stream(step):
    text = PROSE * 20 + "about Blue Harbor it said " + PROSE * 20
    scanner = StreamScanner(BLOCKING)
    released = "".join(scanner.feed(text[at : at + step]) for at in range(0, len(text), step))
    assert scanner.blocked
    assert scanner.finish() == ""
    assert scanner.feed("more") == ""
    assert text.startswith(released)
    assert len(released) <= len(PROSE * 20)
    assert [each.action for each in scanner.findings] == [Outcome.BLOCKED]


def test_nothing_is_released_before_it_was_scanned_and_the_first_words_come_soon():
    window = MASK_ALL.output_window
    assert window is not None
    scanner = StreamScanner(MASK_ALL)
    released = [scanner.feed(each) for each in PROSE * 4]
    first = next(index for index, text in enumerate(released) if text)
    assert first + 1 == window.after_space + FIRST_STRIDE
    assert window.after_space <= 64


@pytest.mark.parametrize(
    "text",
    ["漢字" * 2000, "x" * 4000, "0123456789abcdef" * 300, "a," * 2000],
    ids=["wide", "x", "hex", "commas"],
)
def test_text_without_spaces_is_released_too(text):
    scanner = StreamScanner(MASK_ALL)
    assert len(scanner.feed(text)) >= len(text) - 1600
    assert scanner.finish() != ""


def test_a_long_find_is_masked_whole():
    key = "-----BEGIN PRIVATE KEY-----\n" + (ALNUM[:64] + "\n") * 200 + "-----END PRIVATE KEY-----"
    released, _, _ = _stream(MASK_ALL, f"{PROSE}{key}\n{PROSE}", range(0, 15000, 11))
    assert released == f"{PROSE}{{PRIVATE_KEY}}\n{PROSE}"


def test_buffered_holds_everything():
    scanner = StreamScanner(BUFFERED)
    assert scanner.buffered
    assert scanner.feed(PROSE * 100 + "a@example.com") == ""
    assert scanner.finish() == PROSE * 100 + "{EMAIL}"


def test_a_regex_without_a_bound_is_buffered():
    regex = schema.CustomRegex(name="x", pattern="begin.*end", action=Action.ANONYMIZE)
    scanner = StreamScanner(compile_guardrail("x", schema.Guardrail(regexes=(regex,))))
    assert scanner.feed("begin " + PROSE * 50) == ""
    assert scanner.feed("end.") + scanner.finish() == "{x}."
