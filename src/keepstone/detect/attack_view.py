"""The readable view of a text: what a model would understand of it, whatever tricks of Unicode hide it.

Only texts that hold a character of `HIDING` have a view of their own; for all others the text is the view.
"""

import re
import unicodedata
from base64 import b64decode
from binascii import Error as Base64Error

from keepstone.detect.confusables import TO_LATIN

# Ranges whose characters a view removes, decodes or replaces, as an RE2 and Python class.
_RANGES = (
    "\u00ad\u00ad\u0300-\u036f\u0370-\u03ff\u0400-\u052f\u0531-\u0587\u115f\u1160\u13a0-\u13ff\u17b4\u17b5"
    "\u180b-\u180f\u1d00-\u1d7f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2100-\u214f\u2160-\u217f\u2460-\u24ff"
    "\u2800\u3164\ua730\ua731\ufb00-\ufb06\ufe00-\ufe0f\ufeff\uff01-\uff5e\uffa0"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff\U000e0000-\U000e01ef"
)
HIDING = f"[{_RANGES}\u0131\u0180-\u02af]"
BASE64_RUN = r"[A-Za-z0-9+/_\-]{28,}={0,2}"
HEX_RUN = r"\b(?:[0-9a-fA-F]{2}[ :]?){20,}"

_INVISIBLE = re.compile(
    "[\u00ad\u0300-\u036f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e001f\U000e007f-\U000e01ef]"
)
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
_REPLACED = {**TO_LATIN, **_TAGS}
_GLIMPSE = 96  # characters that show whether a run encodes readable text; a multiple of 4
_MOST_DECODED = 65_536  # characters of one encoded run that are decoded


def readable(text: str) -> str:
    """Return `text` without invisible characters and accents, tags decoded, lookalikes as Latin letters."""
    composed = unicodedata.normalize("NFKD", text.translate(_TAGS))
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", composed).translate(_REPLACED))


def decoded(run: str) -> str:
    """Return what a base64 or hexadecimal run says, or nothing when it says nothing that people read."""
    for decode in (_from_hex, _from_base64):
        if _reads(decode(run[:_GLIMPSE])):
            return decode(run[:_MOST_DECODED])
    return ""


def _from_base64(raw: str) -> str:
    body = raw.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    try:
        return b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "ignore")
    except (Base64Error, ValueError):
        return ""


def _from_hex(raw: str) -> str:
    compact = re.sub(r"[ :]", "", raw)
    try:
        return bytes.fromhex(compact[: len(compact) // 2 * 2]).decode("utf-8", "ignore")
    except ValueError:
        return ""


def _reads(text: str) -> bool:
    """Say whether `text` is mostly letters and spaces: a sentence, not a key or a picture."""
    plain = sum(each.isalpha() or each in " \n.,!?'" for each in text)
    return len(text) >= 8 and plain >= 0.85 * len(text)
