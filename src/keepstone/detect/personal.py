"""Recognisers of contact data, networks, accounts and passwords."""

from keepstone.detect.checksums import digits_of, ipv4, ipv6
from keepstone.detect.recogniser import LINK, Recogniser

# Letters of alphabets may stand in a URL as they are; East Asian text may follow one without a space.
_URL_CHAR = "[A-Za-z0-9_/=&#%~+$@*\\-\u00a1-\u1fff]"
_URL_TAIL = rf"{_URL_CHAR}(?:[.,;:!?()\[\]']{{0,4}}{_URL_CHAR})*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}"


def _phone(value: str) -> bool:
    digits = digits_of(value)
    return 7 <= len(digits) <= 17 and len(set(digits)) > 2


_NOT_A_NAME = (
    " string str none null true false required invalid missing optional name user password unknown text "
    "varchar char input the not and for email const undefined self "
)


def _username(value: str) -> bool:
    return f" {value.lower()} " not in _NOT_A_NAME


def _telling_username(value: str) -> bool:
    return _username(value) and any(each in "0123456789_.-" for each in value.strip("."))


_NOT_A_PASSWORD = ("${", "$(", "{{", "<", "%(", "os.", "env.", "process.", "getenv", "***", "xxx", "...")


def _password(value: str) -> bool:
    if value.lower().startswith(_NOT_A_PASSWORD) or len(set(value)) < 4:
        return False
    marks = any(each.isdigit() or each in "!@#$%^&*?+~" for each in value)
    return marks and any(each.isalpha() for each in value) and "(" not in value


def _quoted_password(value: str) -> bool:
    return not value.lower().startswith(_NOT_A_PASSWORD) and len(set(value)) > 3


def _age(value: str) -> bool:
    digits = digits_of(value)
    return 0 < int("".join(map(str, digits))) <= 122


_SAYS_IT = r"(?i:\b|_)(?i:password|passwd|passwort|mot de passe|contraseña|pwd|passphrase|passcode)"
_AGE_UNIT = r"(?i:years?|yrs?\.?|months?|mos?\.?)"

ROWS: tuple[Recogniser, ...] = (
    Recogniser(
        "email",
        "EMAIL",
        rf"\b[A-Za-z0-9_](?:[A-Za-z0-9._%+'\-]{{0,62}}[A-Za-z0-9_+\-])?@{_HOST}\b",
        trigger=r"[A-Za-z0-9_+\-]@[A-Za-z0-9]",
    ),
    Recogniser("url", "URL", rf"(?i:\b(?:https?|ftps?|sftp|wss?|s3)://){_URL_TAIL}", trigger=r"://"),
    Recogniser("url.www", "URL", rf"(?i:\bwww\d?\.){_URL_TAIL}", before=r"^|[^\w/.@\-]"),
    Recogniser(
        "ip.v4",
        "IP_ADDRESS",
        r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b(?:/\d{1,2}\b)?",
        before=r"^|[^\w.\-]",
        after=r"$|[^\w.\-]|\.(?:$|[^\w.])|-",
        validate=lambda value: ipv4(value.partition("/")[0]),
    ),
    Recogniser(
        "ip.v6",
        "IP_ADDRESS",
        r"(?:[0-9A-Fa-f]{1,4}:|::)(?:[0-9A-Fa-f]{0,4}:){0,7}[0-9A-Fa-f]{1,4}",
        before=r"^|[^\w:.]",
        after=r"$|[^\w:]",
        validate=ipv6,
    ),
    Recogniser(
        "mac",
        "MAC_ADDRESS",
        r"[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})",
        before=r"^|[^\w:\-]",
        after=r"$|[^\w:\-]",
    ),
    Recogniser("mac.dotted", "MAC_ADDRESS", r"\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", before=r"^|[^\w.]"),
    Recogniser(
        "phone.international",
        "PHONE",
        r"\+[1-9]\d{0,2}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d{1,4}(?:[ .\-/]?\d{2,5}){1,4}\b",
        before=r"^|[^\w+]",
        validate=_phone,
    ),
    Recogniser(
        "phone.north-america",
        "PHONE",
        r"(?:1[ .\-])?(?:\([2-9]\d{2}\)[ \-.]?|[2-9]\d{2}[\-.])[2-9]\d{2}[\-. ]\d{4}"
        r"(?: ?(?:x|ext\.?) ?\d{1,5})?\b",
        before=r"^|[^\w.\-+]",
        validate=_phone,
    ),
    Recogniser(
        "phone.named",
        "PHONE",
        r"(?:\(\d{2,5}\)[ .\-]?)?\d{2,14}(?:[ .\-/]\d{2,8}){0,4}\b",
        before=r"(?i:\b(?:tel|telephone|telefon|teléfono|téléphone|phone|mobile|handy|móvil|portable|cell"
        r"|cellphone|fax|whatsapp|call|text|dial|reach)\b)"
        r"(?i:[ \t](?:me|us|him|her|them)(?:[ \t](?:at|on|under))?"
        rf"|[ \t](?:at|on))?[.]?{LINK}",
        validate=_phone,
    ),
    Recogniser(
        "age.unit",
        "AGE",
        rf"\b\d{{1,3}}[ \-]?(?:{_AGE_UNIT}[ \-](?i:old|of age)|(?i:y/?o))\b",
        validate=_age,
    ),
    Recogniser(
        "age.named",
        "AGE",
        rf"\d{{1,3}}(?:[ \-]?{_AGE_UNIT})?\b",
        before=r"""(?:\b(?i:aged|age|alter|âge|edad)["']?(?:[ \t](?i:is|of))?[ \t]?[:=]?[ \t]?"""
        r"""|\b(?i:(?:he|she|they|who|i|and)[ \t](?:(?:has|just)[ \t]){0,2}(?:turned|turns|turning))[ \t])""",
        after=r"$|[^\w.,%/:]|[.,](?:$|\D)",
        validate=_age,
    ),
    Recogniser("age.years-de", "AGE", r"\b\d{1,3} Jahre alt\b|\b\d{1,3} ans\b", validate=_age),
    Recogniser(
        "username.assigned",
        "USERNAME",
        r"[A-Za-z0-9@][A-Za-z0-9._@\-]{1,48}[A-Za-z0-9_]",
        before=r"""\b(?i:user[ _-]?names?|benutzername|usuario|login|user[ _-]?id|screen[ _-]?name)["']?"""
        r"""[ \t]?(?:=>?|:)[ \t]?(?:["'])?""",
        after=r"""$|["'\s,;.]""",
        validate=_telling_username,
    ),
    Recogniser(
        "username.quoted",
        "USERNAME",
        r"[A-Za-z0-9@][A-Za-z0-9._@\-]{1,48}[A-Za-z0-9_]",
        before=r"""\b(?i:user[ _-]?name|login|user)["']?[ \t]?(?:=>?|:)[ \t]?["']""",
        after=r"""["']""",
        validate=_username,
    ),
    Recogniser(
        "username.said",
        "USERNAME",
        r"[A-Za-z0-9@][A-Za-z0-9._\-]{1,48}[A-Za-z0-9_]",
        before=r"""\b(?i:(?:user ?name|screen name)(?:[ \t](?:is|was))?|login[ \t](?:is|was)"""
        r"""|(?:my|his|her|their|twitter|github|instagram|telegram)[ \t]handle[ \t](?:is|was))[ \t]["'@]?""",
        validate=_telling_username,
    ),
    Recogniser(
        "password.assigned",
        "PASSWORD",
        r"""[^\s"'<>,;]{6,64}""",
        before=rf"""{_SAYS_IT}["']?[ \t]?(?:=>?|:)[ \t]?["']?""",
        validate=_password,
    ),
    Recogniser(
        "password.quoted",
        "PASSWORD",
        r"""[^\s"']{6,64}""",
        before=rf"""{_SAYS_IT}["']?[ \t]?(?:=>?|:|(?i:is))[ \t]?["']""",
        after=r"""["']""",
        validate=_quoted_password,
    ),
    Recogniser(
        "password.said",
        "PASSWORD",
        r"""[^\s"'<>,;]{6,64}""",
        before=rf"""{_SAYS_IT}[ \t](?i:is|was|ist|est|es)(?i:[ \t](?:now|set[ \t]to))?:?[ \t]""",
        validate=_password,
    ),
)
