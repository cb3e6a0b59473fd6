"""What looks like a credential, so that the policy refuses it and no message repeats it.

A policy names where a secret lies; the secret itself in a reviewed, copied and hashed file is a leak. Known
token shapes are looked for anywhere, comments too; text of high entropy only in values, where it is no prose.
"""

import base64
import math
import re
from collections import Counter
from hashlib import sha256

_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|ABSK|AIDA|AROA)[A-Z0-9]{16}(?![A-Z0-9])"
    r"|(?<![A-Za-z0-9])ABSK[A-Za-z0-9+/=]{40,}"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"
    r"|(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|hf_|hvs\.|npm_|pypi-|rk_live_|sk_live_|AIza)"
    r"[A-Za-z0-9_-]{16,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----"
    r"|(?<=://)[^/\s:@'\"]{0,256}:[^/\s@'\"]{1,256}@"
)
_LONG = re.compile(r"[A-Za-z0-9_+=-]{32,}|(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])")
_RUN = re.compile(r"[A-Za-z0-9]{16,}")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_SECRET_FIELD = re.compile(
    r"((?:^|[\s{,\"'])[a-z_]{0,40}(?:api_?key|bearer|token|secret|passw(?:or)?d)[a-z_]{0,40}[\"']?\s{0,9}:\s{1,9})"
    r"\S.*"
)


def has_known_token(text: str) -> bool:
    """Say whether `text` holds a token of a known shape."""
    return _KNOWN.search(text) is not None


def looks_like_credential(text: str) -> bool:
    """Say whether a value holds a token of a known shape or a long random one; a public key is none."""
    if is_verifier_key(text):
        return False
    return has_known_token(text) or any(_is_random(each[0]) for each in _LONG.finditer(text))


def is_verifier_key(text: str) -> bool:
    """Say whether this is a whole public key in the form `name+hash+base64`: its hash proves it."""
    name, _, rest = text.partition("+")
    stated, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        return False
    return len(raw) == 33 and sha256(f"{name}\n".encode() + raw).hexdigest()[:8] == stated


def redacted(text: str) -> str:
    """Return `text` with each credential, and each value of a field named like one, replaced by `…`."""
    clean = _KNOWN.sub("…", text)
    clean = _LONG.sub(lambda match: "…" if _is_random(match[0]) else match[0], clean)
    return _SECRET_FIELD.sub(_without_value, clean)


def _without_value(match: re.Match[str]) -> str:
    """Keep counts, references and maps: a field such as `tokens: 200000` holds no secret."""
    value = match[0][len(match[1]) :]
    return match[0] if re.match(r"[0-9]+\s*(?:[#,}]|$)|\{|#", value) else f"{match[1]}…"


def _is_random(token: str) -> bool:
    """Judge by the kinds of characters in one run, and by entropy; words that are joined are not random."""
    if _HEX.fullmatch(token):
        return any(char.isdigit() for char in token) and any(char.isalpha() for char in token)
    if "/" not in token and not any(_mixes_kinds(run) for run in _RUN.findall(token)):
        return False
    return _mixes_kinds(token) and _entropy(token) > (4.4 if "/" in token else 4.0)


def _mixes_kinds(text: str) -> bool:
    return all(any(kind(char) for char in text) for kind in (str.isupper, str.islower, str.isdigit))


def _entropy(text: str) -> float:
    """Return the bits per character, by the frequencies in the text itself."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)
