import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.detect import checksums as check

# check, values that pass, values that do not
TABLE = [
    (check.luhn, ["79927398713", "4111 1111 1111 1111"], ["79927398710"]),
    (
        check.card_number,
        ["378282246310005", "30569309025904", "6011-1111-1111-1117", "3530111333300000", "5555555555554444"],
        ["1234567812345670", "4111111111111112", "411111111111111", "0000000000000000"],
    ),
    (check.iban, ["GB82 WEST 1234 5698 7654 32", "NO9386011117947"], ["GB82 WEST 1234 5698 7654 33", "XX82"]),
    (check.swift, ["DEUTDEFF", "BOFAUS3N"], ["ABCDZZFF"]),
    (check.aba_routing, ["021000021", "011401533"], ["021000022", "990000005", "000000000"]),
    (
        check.us_ssn,
        ["219-09-9999"],
        ["000-12-3456", "666-12-3456", "900-12-3456", "219-00-9999", "219-09-0000"],
    ),
    (check.ca_sin, ["130 692 544"], ["130 692 545", "046 454 286", "13069254"]),
    (check.nhs_number, ["943 476 5919"], ["943 476 5918", "1111111111", "94347659"]),
    (check.uk_nino, ["AB123456C"], ["GB123456C", "ZZ123456C"]),
    (check.uk_utr, ["1123456789"], ["2123456789", "11234"]),
    (check.vin, ["1HGCM82633A004352", "1M8GDM9AXKP042788"], ["1HGCM82643A004352", "11111111111111111"]),
    (check.ipv4, ["192.0.2.1"], ["256.0.0.1"]),
    (check.ipv6, ["::1", "fe80::1", "2001:db8::1"], ["::", "add::", "12:30:45", "a::b::c"]),
]
ROWS = [
    (function, value, expected)
    for function, good, bad in TABLE
    for expected, values in ((True, good), (False, bad))
    for value in values
]


@pytest.mark.parametrize(("function", "value", "expected"), ROWS)
def test_check(function, value, expected):
    assert function(value) is expected


def _luhn_model(digits):
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if index % 2 else 1)
        total += doubled // 10 + doubled % 10
    return total % 10 == 0


@given(st.text("0123456789", min_size=1, max_size=24))
def test_luhn_agrees_with_its_definition(digits):
    assert check.luhn(digits) == _luhn_model(digits)
