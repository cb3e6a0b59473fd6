"""Recognisers of payment data and of numbers that governments, banks and health services give people."""

from keepstone.detect import checksums as check
from keepstone.detect.recogniser import LINK, Recogniser

# What people, and programs that lay out text, put between groups; at most two of them.
_IN_LINE = "[ \\t\u00a0\u2000-\u200a\u202f\u2010-\u2015\\-]"
_SPACE = "[\\s\u00a0\u2000-\u200a\u202f\u2010-\u2015\\-]"
_GAP_CHARS = "\\s\u00a0\u2000-\u200a\u202f._/\u2010-\u2015\\-"
_GAP = f"[{_GAP_CHARS}]"
_DASH = "[\\-\u2010-\u2015]"

_APART = r"\b|[A-Za-z_]"  # beside a value of digits stands anything but a digit
# What also lists of figures look like is a card only where no figure comes before or after it.
_LONE_BEFORE = rf"^{_GAP}{{0,2}}|[^\d{_GAP_CHARS}]{_GAP}?|\D{_GAP}{{2}}"
_LONE_AFTER = rf"{_GAP}{{0,2}}$|{_GAP}?[^\d{_GAP_CHARS}]|{_GAP}{{2}}\D"


def _grouped(gap: str) -> str:
    gap = f"{gap}{{1,2}}"
    return rf"(?:\d{{4}}{gap}){{3}}\d{{4}}|\d{{4}}{gap}\d{{6}}{gap}\d{{4,5}}"


def _long(gap: str) -> str:
    return rf"(?:\d{{4}}{gap}{{1,2}}){{4}}\d{{3}}"


def _has_digits(value: str) -> bool:
    return len(check.digits_of(value)) >= 3 and len(set(value)) > 2


def _plate(value: str) -> bool:
    return check.mixed(value) and 4 <= sum(map(str.isalnum, value)) <= 9


def _pin(value: str) -> bool:
    return len(value) != 4 or not 1990 <= int(value) <= 2039  # a year, as in `pin 2024`


ROWS: tuple[Recogniser, ...] = (
    # --- payment -----------------------------------------------------------------------------------------
    Recogniser(
        "card.number",
        "CREDIT_DEBIT_CARD_NUMBER",
        rf"{_grouped(_IN_LINE)}|\b\d{{12,19}}\b|\d{{15,16}}",
        before=_APART,
        after=_APART,
        validate=check.card_number,
    ),
    Recogniser(
        "card.number.long",
        "CREDIT_DEBIT_CARD_NUMBER",
        _long(_IN_LINE),
        before=_APART,
        after=_APART,
        validate=check.card_number,
    ),
    Recogniser(
        "card.number.lone",
        "CREDIT_DEBIT_CARD_NUMBER",
        rf"{_long(_GAP)}|{_grouped(_GAP)}|\d{{8}}{_SPACE}{{1,2}}\d{{8}}|\d(?:{_GAP}\d){{12,18}}",
        before=_LONE_BEFORE,
        after=_LONE_AFTER,
        validate=check.card_number,
    ),
    Recogniser(
        "card.cvv",
        "CREDIT_DEBIT_CARD_CVV",
        r"\d{3,4}\b",
        before=r"\b(?i:cvv2?|cvc2?|csc|cid|security code|card verification(?: value| code)?|prüfnummer)"
        + LINK,
    ),
    Recogniser(
        "card.expiry",
        "CREDIT_DEBIT_CARD_EXPIRY",
        r"(?:0?[1-9]|1[0-2]) ?[/\-] ?(?:20)?[2-4]\d\b",
        before=r"\b(?i:exp(?:\.|iry|ires|iration)?(?:[ _]?(?:date|on))?|valid (?:thru|through|until|till)"
        r"|good thru|gültig bis)" + LINK,
    ),
    Recogniser(
        "iban",
        "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
        rf"[A-Z]{{2}}\d{{2}}(?:{_SPACE}{{0,2}}[A-Z0-9]{{4}}){{2,7}}(?:{_SPACE}{{0,2}}[A-Z0-9]{{1,3}})?",
        before=r"\b|_",
        after=r"\b|_",
        validate=check.iban,
    ),
    Recogniser(
        "swift",
        "SWIFT_CODE",
        r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b",
        before=r"\b(?i:swift|bic)(?:[/ ](?i:swift|bic))?" + LINK,
        validate=check.swift,
    ),
    Recogniser(
        "us.bank-account",
        "US_BANK_ACCOUNT_NUMBER",
        r"\d{4,7}[ \-]?\d{4,10}\b",
        before=r"(?i:(?:\b|_)(?:account|acct)\b\.?|\baccount_number)" + LINK,
        validate=_has_digits,
    ),
    Recogniser(
        "us.bank-routing",
        "US_BANK_ROUTING_NUMBER",
        r"\d{4}-?\d{4}-?\d\b|\d{9}\b",
        before=r"\b(?i:routing(?: transit)?|aba|rtn|transit)" + LINK,
        validate=check.aba_routing,
    ),
    Recogniser(
        "pin",
        "PIN",
        r"\d{4,8}\b",
        before=r"\b(?i:pin)(?:[ _-]?(?i:code))?" + LINK,
        after=r"$|[^\w/.\-]|[.](?:$|\D)",
        validate=_pin,
    ),
    # --- United States -----------------------------------------------------------------------------------
    Recogniser(
        "us.ssn",
        "US_SOCIAL_SECURITY_NUMBER",
        rf"\d{{3}}{_DASH}\d{{2}}{_DASH}\d{{4}}",
        before=r"^|[^\w.\-]",
        after=r"$|[^\w\-]",
        validate=check.us_ssn,
    ),
    Recogniser(
        "us.ssn.named",
        "US_SOCIAL_SECURITY_NUMBER",
        rf"\d{{3}}{_GAP}{{0,2}}\d{{2}}{_GAP}{{0,2}}\d{{4}}\b",
        before=r"\b(?i:ssn|social security|soc sec|ss)" + LINK,
        validate=check.us_ssn,
    ),
    Recogniser(
        "us.itin",
        "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        r"9\d{2}[\- ](?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[\- ]\d{4}",
        before=r"^|[^\w.\-]",
        after=r"$|[^\w\-]",
    ),
    Recogniser(
        "us.itin.named",
        "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        r"9\d{2}(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])\d{4}\b",
        before=r"\b(?i:itin|(?:individual )?tax(?:payer)? (?:id|identification))" + LINK,
    ),
    Recogniser(
        "us.passport",
        "US_PASSPORT_NUMBER",
        r"(?:[A-Z]\d{8}|\d{9})\b",
        before=r"\b(?i:passport)" + LINK,
    ),
    Recogniser(
        "driver-id",
        "DRIVER_ID",
        r"[A-Z0-9][A-Z0-9\-]{4,18}[A-Z0-9]\b",
        before=r"\b(?i:driver'?s?[ _](?:licen[cs]e|permit|id)|driving licen[cs]e|führerschein|DL\b)" + LINK,
        validate=_has_digits,
    ),
    Recogniser(
        "license-plate",
        "LICENSE_PLATE",
        r"[A-ZÄÖÜ0-9]{1,4}(?:[ \-·]?[A-Z0-9]{1,4}){1,3}\b",
        before=r"\b(?i:licen[cs]e plate|number ?plate|registration plate|vehicle registration|kennzeichen"
        r"|plates?|reg(?:istration)? n(?:o\.?|umber))" + LINK,
        validate=_plate,
    ),
    Recogniser(
        "vin",
        "VEHICLE_IDENTIFICATION_NUMBER",
        r"\b[A-HJ-NPR-Z0-9]{11}[A-HJ-NPR-Z0-9]{2}\d{4}\b",
        validate=check.vin,
    ),
    Recogniser(
        "vin.named",
        "VEHICLE_IDENTIFICATION_NUMBER",
        r"[A-HJ-NPR-Z0-9]{17}\b",
        before=r"\b(?i:vin|vehicle identification|chassis|fahrgestell)" + LINK,
        validate=check.mixed,
    ),
    # --- Canada ------------------------------------------------------------------------------------------
    Recogniser(
        "ca.sin",
        "CA_SOCIAL_INSURANCE_NUMBER",
        r"\d{3}[ \-]?\d{3}[ \-]?\d{3}\b",
        before=r"\b(?:SIN|NAS|(?i:social insurance|assurance sociale))" + LINK,
        validate=check.ca_sin,
    ),
    Recogniser(
        "ca.health",
        "CA_HEALTH_NUMBER",
        r"\d{4}[ \-]?\d{3}[ \-]?\d{3}(?:[ \-]?[A-Z]{2})?\b|\d{5}-?\d{4}\b|[A-Z]{4} ?\d{4} ?\d{4}\b",
        before=r"\b(?i:ohip|ramq|phn|health (?:card|insurance|number)|personal health|carte soleil)" + LINK,
    ),
    # --- United Kingdom ----------------------------------------------------------------------------------
    Recogniser(
        "uk.nhs",
        "UK_NATIONAL_HEALTH_SERVICE_NUMBER",
        r"\d{3}[ \-]?\d{3}[ \-]?\d{4}\b",
        before=r"\b(?i:nhs|national health(?: service)?)" + LINK,
        validate=check.nhs_number,
    ),
    Recogniser(
        "uk.nino",
        "UK_NATIONAL_INSURANCE_NUMBER",
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
        validate=check.uk_nino,
    ),
    Recogniser(
        "uk.utr",
        "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
        r"\d{5} ?\d{5}\b",
        before=r"\b(?i:utr|unique taxpayer(?: reference)?|tax reference)" + LINK,
        validate=check.uk_utr,
    ),
)
