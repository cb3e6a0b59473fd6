"""Checksums and number ranges of the identifiers we recognise; each takes the text of a value."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from itertools import cycle


def digits_of(value: str) -> list[int]:
    """Return the ASCII digits of `value`, in order."""
    return [ord(each) - 48 for each in value if "0" <= each <= "9"]


_NO_DIGITS = re.compile(r"[^0-9]+")
_BETWEEN_GROUPS = re.compile(r"[\s\-\u2010-\u2015]+")
_DOUBLED = {"0": 0, "1": 2, "2": 4, "3": 6, "4": 8, "5": 1, "6": 3, "7": 5, "8": 7, "9": 9}


def luhn(value: str) -> bool:
    """Say whether the digits pass the Luhn check (ISO/IEC 7812-1 annex B)."""
    digits = _digit_text(value)
    return (sum(map(int, digits[::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


def _digit_text(value: str) -> str:
    return _NO_DIGITS.sub("", value)


# Issuer prefix (as a range of its first digits) -> lengths in use (ISO/IEC 7812 register, networks' rules).
_ISSUERS: tuple[tuple[int, int, int, frozenset[int]], ...] = (
    (1, 4, 4, frozenset({13, 16, 19})),  # Visa
    (2, 51, 55, frozenset({16})),  # Mastercard
    (4, 2221, 2720, frozenset({16})),  # Mastercard, second range
    (2, 34, 34, frozenset({15})),  # American Express
    (2, 37, 37, frozenset({15})),
    (4, 6011, 6011, frozenset({16, 19})),  # Discover
    (2, 65, 65, frozenset({16, 19})),
    (3, 644, 649, frozenset({16, 19})),
    (2, 62, 62, frozenset({16, 17, 18, 19})),  # UnionPay
    (4, 3528, 3589, frozenset({16, 19})),  # JCB
    (4, 1800, 1800, frozenset({15})),
    (4, 2131, 2131, frozenset({15})),
    (3, 300, 305, frozenset({14, 16})),  # Diners Club
    (2, 36, 36, frozenset({14, 16, 19})),
    (2, 38, 39, frozenset({14, 16, 19})),
    (2, 56, 58, frozenset({12, 13, 14, 15, 16, 18, 19})),  # Maestro
    (4, 5018, 5038, frozenset({12, 13, 14, 15, 16, 18, 19})),
    (4, 6304, 6304, frozenset({12, 13, 14, 15, 16, 18, 19})),
    (4, 6759, 6763, frozenset({12, 13, 14, 15, 16, 18, 19})),
)


def card_number(value: str) -> bool:
    """Say whether the digits are a payment card's: an issuer's prefix, its length, the Luhn check."""
    digits = _digit_text(value)
    if digits[0] not in "123456" or len(set(digits)) == 1 or not luhn(digits):
        return False
    return any(
        low <= int(digits[:count]) <= high and len(digits) in lengths
        for count, low, high, lengths in _ISSUERS
    )


# Length of an IBAN -> the countries that use it (ISO 13616 registry).
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS = {country: length for length, codes in _IBAN_COUNTRIES.items() for country in codes.split()}


def iban(value: str) -> bool:
    """Say whether `value` is an IBAN: its country's length, and mod 97 is 1 (ISO 13616, ISO 7064)."""
    compact = _BETWEEN_GROUPS.sub("", value).upper()
    if len(compact) != _IBAN_LENGTHS.get(compact[:2]):
        return False
    return int("".join(str(int(each, 36)) for each in compact[4:] + compact[:4])) % 97 == 1


_OTHER_BIC_COUNTRIES = (
    "US CA MX AU NZ JP CN HK SG IN KR TW TH MY ID PH VN ZA NG KE GH MA AR CL CO PE UY VE EC BO PY PA JM TT "
    "BS BB BM KY LK BD NP UZ AM GG JE IM "
)


def swift(value: str) -> bool:
    """Say whether `value` names a country where a BIC does (ISO 9362: characters 5 and 6)."""
    return value[4:6] in _IBAN_LENGTHS or f"{value[4:6]} " in _OTHER_BIC_COUNTRIES


def aba_routing(value: str) -> bool:
    """Say whether `value` is a US bank routing number: a Federal Reserve prefix, weights 3-7-1."""
    digits = digits_of(value)
    prefix = digits[0] * 10 + digits[1]
    known = prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80
    weighted = sum(d * w for d, w in zip(digits, cycle((3, 7, 1)), strict=False))
    return known and weighted > 0 and weighted % 10 == 0


def us_ssn(value: str) -> bool:
    """Say whether the digits can be a social security number (area 001-899 less 666; no zero group)."""
    digits = "".join(map(str, digits_of(value)))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    possible = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return possible and len(digits) == 9 and len(set(digits)) > 1


def ca_sin(value: str) -> bool:
    """Say whether the digits can be a Canadian social insurance number: nine, not from 0 or 8, Luhn."""
    digits = digits_of(value)
    return len(digits) == 9 and digits[0] not in (0, 8) and luhn(value)


def nhs_number(value: str) -> bool:
    """Say whether the ten digits pass the NHS check: weights 10 to 2, modulo 11."""
    digits = digits_of(value)
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    check = -sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check == digits[9]


def uk_nino(value: str) -> bool:
    """Say whether the two letters are ones that HMRC gives out."""
    return value[:2].upper() not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def uk_utr(value: str) -> bool:
    """Say whether the first of ten digits checks the nine others (weights 6 7 8 9 10 5 4 3 2, modulo 11)."""
    digits = digits_of(value)
    if len(digits) != 10:
        return False
    weighted = sum(d * w for d, w in zip(digits[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2), strict=True))
    return "21987654321"[weighted % 11] == str(digits[0])


_VIN_VALUES = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), 1, 2, 3, 4, 5, 7, 9, *range(2, 10)), strict=True)
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(value: str) -> bool:
    """Say whether the ninth character checks the others (49 CFR 565.15(c))."""
    upper = value.upper()
    if not mixed(upper):
        return False
    values = (_VIN_VALUES.get(each, 0) if each.isalpha() else int(each) for each in upper)
    check = sum(v * w for v, w in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return upper[8] == ("X" if check == 10 else str(check))


def mixed(value: str) -> bool:
    """Say whether letters and digits both stand in `value`."""
    return any(each.isdigit() for each in value) and any(each.isalpha() for each in value)


def ipv4(value: str) -> bool:
    """Say whether `value` is an IPv4 address."""
    try:
        IPv4Address(value)
    except AddressValueError:
        return False
    return True


def ipv6(value: str) -> bool:
    """Say whether `value` is an IPv6 address, and one that is not also a name such as `std::add`."""
    try:
        IPv6Address(value)
    except AddressValueError:
        return False
    groups = [each for each in value.split(":") if each]
    telling = len(groups) >= 3 or value.lower().startswith(("fe80:", "fc", "fd", "2"))
    return value == "::1" or (telling and any(each.isdigit() for each in value))
