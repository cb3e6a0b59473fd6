"""Recognisers of credentials: tokens, keys and connection strings, by the forms their issuers publish.

A type is the kind of credential; the two that Bedrock knows as personal data carry Bedrock's names.
"""

import math
from collections import Counter

from keepstone.detect.recogniser import LINK, Recogniser

_END = r"$|[^\w\-]"


def _random(value: str) -> bool:
    """Say whether `value` varies like a generated secret does, not like a placeholder or a word."""
    counts = Counter(value)
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return entropy > 2.5 and any(each.isdigit() for each in value)


def _aws_secret(value: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(kind(each) for each in value) for kind in kinds) and _random(value)


def _secret_part(value: str) -> bool:
    """Refuse what documentation writes in place of a password: `<pw>`, `${PW}`, `***`, `password`."""
    plain = value.strip("*xX.")
    return bool(plain) and not value.startswith(("<", "$", "{", "%", "[")) and plain.lower() != "password"


def _token(kind: str, pattern: str, *, trigger: str = "") -> Recogniser:
    return Recogniser(kind.lower().replace("_", "-"), kind, rf"\b{pattern}", after=_END, trigger=trigger)


def _named(kind: str, words: str, pattern: str) -> Recogniser:
    """Build a row for a secret without a form of its own, told by the name it is given."""
    gap = r"(?i:[ _\-.]{0,2}(?:api|auth|access|secret|bot|client|account|app|token|key)){0,4}"
    return Recogniser(
        kind.lower().replace("_", "-"),
        kind,
        pattern,
        before=rf"(?i:{words}){gap}{LINK}",
        after=_END,
        validate=_random,
    )


ROWS: tuple[Recogniser, ...] = (
    _token("AWS_ACCESS_KEY", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    Recogniser(
        "aws-secret-key",
        "AWS_SECRET_KEY",
        r"[A-Za-z0-9/+]{40}",
        before=r"(?i:\b(?:aws|amazon)?[ _\-]{0,1}secret[ _\-]?(?:access)?[ _\-]?key|\baws secret)" + LINK,
        after=r"$|[^\w/+=\-]",
        validate=_aws_secret,
    ),
    Recogniser(
        "aws-session-token", "AWS_SESSION_TOKEN", r"\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz)[A-Za-z0-9/+=]{80,}"
    ),
    Recogniser(
        "bedrock-api-key",
        "BEDROCK_API_KEY",
        r"\bABSK[A-Za-z0-9+/]{60,}={0,2}|\bbedrock-api-key-[A-Za-z0-9+/]{40,}={0,2}",
    ),
    _token("KEEPSTONE_KEY", r"ks_[A-Za-z0-9]{6,32}_[A-Za-z0-9_\-]{20,}"),
    _token("GITHUB_TOKEN", r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})"),
    _token("GITLAB_TOKEN", r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_\-]{20,}"),
    _token("SLACK_TOKEN", r"(?:xox[abposre]-[A-Za-z0-9\-]{10,}|xapp-\d-[A-Za-z0-9\-]{10,})"),
    _token("SLACK_WEBHOOK", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_]{20,}"),
    _token("STRIPE_KEY", r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}"),
    _token("GOOGLE_API_KEY", r"AIza[A-Za-z0-9_\-]{35}"),
    _token("GOOGLE_OAUTH_SECRET", r"(?:GOCSPX-[A-Za-z0-9_\-]{28}|ya29\.[A-Za-z0-9_\-]{30,})"),
    Recogniser(
        "azure-storage-key",
        "AZURE_STORAGE_KEY",
        r"[A-Za-z0-9+/]{86}==",
        before=r"(?i:account[ _]?key|shared[ _]?access[ _]?key)" + LINK,
    ),
    Recogniser(
        "azure-sas",
        "AZURE_SAS_TOKEN",
        r"[A-Za-z0-9%+/]{40,60}(?:%3D|=){1,2}",
        before=r"[?&]sv=20[^\s\"']{10,300}[&]sig=|[?&]sig=",
    ),
    _token("OPENAI_API_KEY", r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{40,}|[A-Za-z0-9]{48})"),
    _token("ANTHROPIC_API_KEY", r"sk-ant-[a-z]{2,12}\d\d-[A-Za-z0-9_\-]{40,}"),
    _token("OPENROUTER_API_KEY", r"sk-or-v\d-[0-9a-f]{40,}"),
    _token("HUGGING_FACE_TOKEN", r"(?:hf|api_org)_[A-Za-z]{34}"),
    _token("GROQ_API_KEY", r"gsk_[A-Za-z0-9]{48,}"),
    _token("REPLICATE_TOKEN", r"r8_[A-Za-z0-9]{37}"),
    _token("NPM_TOKEN", r"npm_[A-Za-z0-9]{36}"),
    _token("PYPI_TOKEN", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\-]{50,}"),
    _token("SENDGRID_API_KEY", r"SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}"),
    _token("MAILGUN_API_KEY", r"key-[0-9a-f]{32}"),
    _token("MAILCHIMP_API_KEY", r"[0-9a-f]{32}-us\d{1,2}"),
    _token("TWILIO_ACCOUNT_KEY", r"(?:AC|SK)[0-9a-f]{32}"),
    _named("TWILIO_AUTH_TOKEN", "twilio", r"[0-9a-f]{32}"),
    _token("DIGITALOCEAN_TOKEN", r"do[opr]_v1_[0-9a-f]{64}"),
    _token("DATABRICKS_TOKEN", r"dapi[0-9a-f]{32}(?:-\d)?"),
    _token("VAULT_TOKEN", r"(?:hv[sbr]\.[A-Za-z0-9_\-]{24,}|s\.[A-Za-z0-9]{24})"),
    _token("TERRAFORM_TOKEN", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-]{60,}", trigger=r"\.atlasv1\."),
    _token("PULUMI_TOKEN", r"pul-[0-9a-f]{40}"),
    _token("SHOPIFY_TOKEN", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _token("SQUARE_TOKEN", r"(?:sq0[a-z]{3}-[A-Za-z0-9_\-]{22,43}|EAAA[A-Za-z0-9_\-]{60})"),
    _token("NEW_RELIC_KEY", r"NRAK-[A-Z0-9]{27}"),
    _token("GRAFANA_TOKEN", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    _token("LINEAR_API_KEY", r"lin_api_[A-Za-z0-9]{40}"),
    _token("POSTMAN_API_KEY", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _token("DOCKER_TOKEN", r"dckr_pat_[A-Za-z0-9_\-]{27}"),
    _token("AGE_SECRET_KEY", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _token("TELEGRAM_BOT_TOKEN", r"\d{8,10}:AA[A-Za-z0-9_\-]{33}", trigger=r"\d:AA[A-Za-z0-9_\-]{33}"),
    _token(
        "DISCORD_BOT_TOKEN",
        r"[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38}",
        trigger=r"\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27}",
    ),
    _token(
        "DISCORD_WEBHOOK",
        r"https://(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_\-]{60,}",
    ),
    _named("DATADOG_API_KEY", "datadog|dd[_-]api", r"[0-9a-f]{32,40}"),
    _named("CLOUDFLARE_TOKEN", "cloudflare|cf[_-]api", r"[A-Za-z0-9_\-]{37,40}"),
    _named("HEROKU_API_KEY", "heroku", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    _named(
        "API_KEY",
        r"\bapi[ _-]?key|\bsecret[ _-]key|\baccess[ _-]token|\bauth[ _-]token|\bclient[ _-]secret|\bapikey",
        r"[A-Za-z0-9_\-]{24,128}",
    ),
    Recogniser(
        "jwt",
        "JSON_WEB_TOKEN",
        r"\beyJ[A-Za-z0-9_\-]{8,1000}\.eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",
        trigger=r"\beyJ[A-Za-z0-9_\-]+\.eyJ",
    ),
    Recogniser(
        "private-key",
        "PRIVATE_KEY",
        r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=:,.\\ \t\r\n]|-[A-Za-z0-9])*"
        r"(?:-----END (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----)?",
        trigger=r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    ),
    Recogniser(
        "putty-key",
        "PRIVATE_KEY",
        r"PuTTY-User-Key-File-\d:[^\n]{0,80}(?:\r?\n[A-Za-z\-]{1,30}: ?[^\n]{0,80}"
        r"|\r?\n[A-Za-z0-9+/=]{1,80})*",
    ),
    Recogniser(
        "connection-string",
        "CONNECTION_STRING",
        r"\b(?i:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|sqlserver|clickhouse|cockroachdb)"
        r"(?:\+[a-z0-9]{1,16})?://[^\s:@/'\"]{0,64}:[^\s@'\"]{1,128}@[^\s'\"<>]*",
        trigger=r"(?i:sql|maria|mongodb|redis|amqp|mssql|clickhouse|cockroachdb|srv|\+[a-z0-9]+|server|postgres|db|rediss|amqps)://",
        validate=lambda value: _secret_part(value.partition("://")[2].rpartition("@")[0].partition(":")[2]),
    ),
    Recogniser(
        "connection-string.pairs",
        "CONNECTION_STRING",
        r"[^;\s\"']{4,128}",
        before=r"(?i:(?:server|data source|host|user id|uid|database)=)"
        r"[^;\n\"']{1,100};[ ]?(?:[^;\n\"']{1,100};[ ]?){0,4}(?i:(?:password|pwd)=)",
        validate=_secret_part,
    ),
    Recogniser(
        "basic-auth-url",
        "BASIC_AUTH_URL",
        r"\b(?i:https?|ftps?|sftp|git|ssh|wss?)://[^\s:@/'\"]{1,64}:[^\s@/'\"]{1,128}@[^\s'\"<>]*",
        trigger=r"://[^\s:@/'\"]+:[^\s@/'\"]+@",
        validate=lambda value: _secret_part(value.partition("://")[2].rpartition("@")[0].partition(":")[2]),
    ),
    Recogniser(
        "bearer-token",
        "BEARER_TOKEN",
        r"[A-Za-z0-9_\-.~+/]{20,1000}={0,2}",
        before=r"(?i:\bbearer[ \t]{1,2})",
        validate=_random,
    ),
    Recogniser(
        "basic-auth-header",
        "BASIC_AUTH_HEADER",
        r"[A-Za-z0-9+/]{8,}={0,2}",
        before=r"(?i:authorization[\"']?[ \t]?:[ \t]?[\"']?basic[ \t]{1,2})",
    ),
)
