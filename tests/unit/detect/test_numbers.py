"""Card numbers, IBANs and social security numbers as people and programs write them."""

import pytest

from keepstone.detect.engine import Scanner
from keepstone.detect.registry import PERSONAL

CARD, IBAN, SSN = "CREDIT_DEBIT_CARD_NUMBER", "INTERNATIONAL_BANK_ACCOUNT_NUMBER", "US_SOCIAL_SECURITY_NUMBER"
SCANNER = Scanner([row for row in PERSONAL if row.type in (CARD, IBAN, SSN)])
GROUPS = ("4111", "1111", "1111", "1111")
IBAN_GROUPS = ("DE89", "3704", "0044", "0532", "0130", "00")


def found(text):
    return {(span.type, text[span.start : span.end]) for span in SCANNER.scan(text)}


@pytest.mark.parametrize(
    "gap",
    [
        "",
        " ",
        "  ",
        "\u00a0",
        "\u2009",
        "\u202f",
        "\t",
        "\n",
        "\r\n",
        "-",
        "\u2013",
        ".",
        "/",
        "_",
        ". ",
        " -",
    ],
)
@pytest.mark.parametrize(
    "groups", [GROUPS, ("6304", "0000", "0000", "0000", "000"), ("3782", "822463", "10005")]
)
def test_a_card_in_groups(gap, groups):
    value = gap.join(groups)
    assert (CARD, value) in found(f"my card: {value}, thanks")
    assert (CARD, value) in found(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("card_4111111111111111", "4111111111111111"),
        ("x4111111111111111", "4111111111111111"),
        ("4111111111111111abc", "4111111111111111"),
        ("é4111 1111 1111 1111_", "4111 1111 1111 1111"),
        ("41111111 11111111", "41111111 11111111"),
        ("card 4111 1111 1111 1111 123", "4111 1111 1111 1111"),
        ("4111-1111-1111-1111-2027", "4111-1111-1111-1111"),
        ("  4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1  ", "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"),
        ("it is 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 and", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    ],
)
def test_a_card_with_what_stands_beside_it(text, value):
    assert (CARD, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "14111111111111111",
        "41111111111111110",
        "9 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 8 8 8 8",
        "4111   1111   1111   1111",
        "5123\n4111\n1111\n1111\n1111\n4111",
        "4111\r\n1111\r\n1111\r\n1111\r\n4111",
        "41111111\n11111111\n41111111",
        "4111.111111111111",
        "a630400000000f",
        "4111,1111,1111,1111",
        "2024-01-15 10:30:00.123456",
        "219 09 9999",
        "DE89 3704 0044 0532 0130 01",
    ],
)
def test_other_numbers_are_left(text):
    assert found(text) == set()


@pytest.mark.parametrize(
    "gap", ["", " ", "  ", "\u00a0", "\u2009", "\u202f", "\u2007", "\u2011", "\n", "-", "\u2013"]
)
def test_an_iban_in_groups(gap):
    value = gap.join(IBAN_GROUPS)
    assert (IBAN, value) in found(f"to iban_{value}\nBANK")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("it is 219\u201309\u20139999.", "219\u201309\u20139999"),
        ("it is 219\u201109\u20119999.", "219\u201109\u20119999"),
        ("ssn 219  09  9999", "219  09  9999"),
        ("ssn: 219\u00a009\u00a09999", "219\u00a009\u00a09999"),
        ("ssn 219/09/9999", "219/09/9999"),
    ],
)
def test_a_social_security_number(text, value):
    assert (SSN, value) in found(text)
