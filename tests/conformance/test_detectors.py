"""Every recogniser has text that it finds and a near miss that it leaves; ordinary text has no finds.

Values that look like secrets are put together here from parts, so that no scanner of secrets minds this file.
"""

from pathlib import Path

import pytest

from keepstone.detect import width
from keepstone.detect.attack_rules import RULES
from keepstone.detect.engine import Scanner
from keepstone.detect.recogniser import Recogniser
from keepstone.detect.registry import CREDENTIALS, EVERY, by_id
from keepstone.guard.guardrail import SEPARATOR
from keepstone.policy.schema.guardrails import PiiType

HEX = "0123456789abcdef" * 4
ALNUM = "a1B2c3D4e5F6g7H8i9J0" * 5
LETTERS = "abcdefghij" * 5
DIGITS = "1234567890" * 3

# id -> (text with the value in angle brackets, text that has none)
EXAMPLES: dict[str, tuple[str, str]] = {
    "email": ("write to «jane.o'neil+x@mail.example.co.uk», please", "the price is 5 @ 3 and @jane said a@b"),
    "url": ("see «https://example.com/a(b)?c=d#e».", "the scheme https:// alone"),
    "url.www": ("see «www.example.com/a», there", "the www is large"),
    "ip.v4": ("from «192.0.2.77».", "version 1.2.3.4.5 and 300.1.2.3"),
    "ip.v6": ("from «2001:db8::8a2e:370:7334» on", "at 12:30:45 std::add::b2 happened"),
    "mac": ("card «00:1B:44:11:3A:B7» up", "hash 00:1B:44:11:3A:B7:99:01"),
    "mac.dotted": ("card «001b.4411.3ab7» up", "file 001b.4411.3ab7x"),
    "phone.international": ("ring «+49 30 901820» now", "sum +1 and +22"),
    "phone.north-america": ("ring «(212) 555-0142» now", "ids 112-555-0142 and 2125550142"),
    "phone.named": ("phone: «030 901820» now", "phone numbers 12"),
    "age.unit": ("a «34-year-old» man", "a 900-year-old abbey"),
    "age.named": ("he is aged «34», and", "aged 1.5 and the age of 34000"),
    "age.years-de": ("er ist «34 Jahre alt»", "in 34 Jahren"),
    "username.assigned": ("username: «jane_doe»", "username: string"),
    "username.quoted": ("user = '«jane»'", "user = 'none'"),
    "username.said": ("my username is «jane.doe7»", "the username is required"),
    "password.assigned": ("password=«hunter2!x»", "password=${PASSWORD1!}"),
    "password.quoted": ('"password": "«solidgold»"', '"password": "<yours1!>"'),
    "password.said": ("my password is «hunter2!x»", "my password is required here"),
    "card.number": ("card «4111 1111 1111 1111», ok", "card 4111 1111 1111 1112 order 1234567812345670"),
    "card.number.long": ("card «4111 1111 1111 1111 003», ok", "card 4111 1111 1111 1112 004, ok"),
    "card.number.lone": ("card «4111.1111.1111.1111», ok", "card 4111.1111.1111.1112, ok"),
    "card.cvv": ("CVV: «123»", "CVV is secret, room 123"),
    "card.expiry": ("expiry date: «09/27»", "the date 09/27 and exp 13/27"),
    "iban": ("to «DE89 3704 0044 0532 0130 00» today", "to DE88 3704 0044 0532 0130 00 today"),
    "swift": ("BIC «DEUTDEFF500»", "SWIFT PROGRAMS and DEUTDEFF"),
    "us.bank-account": ("account number: «000123456789»", "account 12, number 123456789"),
    "us.bank-routing": ("routing number «021000021»", "routing number 021000022"),
    "pin": ("PIN is «4821»", "pin 2024 to the wall, pinned 4821"),
    "us.ssn": ("it is «219-09-9999».", "ids 666-09-9999 987-65-4320 219-09-99990"),
    "us.ssn.named": ("SSN: «219099999»", "SSN: 000099999"),
    "us.itin": ("it is «912-70-1234»", "it is 912-10-1234"),
    "us.itin.named": ("ITIN «912701234»", "ITIN 912101234"),
    "us.passport": ("passport number: «A12345678»", "passport A1234567"),
    "driver-id": ("driver's license number: «D123-4567-8901»", "driver's license holder JACKSON"),
    "license-plate": ("license plate «7ABC123»", "license plate READER and plates 12"),
    "vin": ("it is «1HGCM82633A004352» ok", "it is 1HGCM82643A004352 ok"),
    "vin.named": ("VIN: «WVWZZZ1KZAW123456»", "VIN: WVWZZZKKZAWABCDEF"),
    "ca.sin": ("SIN: «130 692 544»", "SIN: 130 692 545 or 046 454 286"),
    "ca.health": ("health card «1234-567-897-AB»", "health card 12"),
    "uk.nhs": ("NHS number «943 476 5919»", "NHS number 943 476 5918"),
    "uk.nino": ("it is «AB 12 34 56 C».", "it is GB123456C or AB123456E"),
    "uk.utr": ("UTR «1123456789»", "UTR 2123456789"),
    "aws-access-key": ("«AKIA" + "IOSFODNN7EXAMPLE»", "AKIA" + "iosfodnn7example"),
    "aws-secret-key": ("secret_access_key=«" + ALNUM[:40] + "»", "secret_access_key=" + "a" * 40),
    "aws-session-token": ("«IQoJb3JpZ2lu" + ALNUM + "»", "IQoJb3JpZ2lu"),
    "bedrock-api-key": ("«ABSK" + ALNUM + "»", "ABSK" + ALNUM[:20]),
    "keepstone-key": ("«ks_" + "abc123def456" + "_" + ALNUM[:43] + "»", "ks_abc_short"),
    "github-token": ("«ghp_" + ALNUM[:36] + "»", "ghp_" + ALNUM[:20]),
    "gitlab-token": ("«glpat-" + ALNUM[:20] + "»", "glpat-" + ALNUM[:10]),
    "slack-token": ("«xoxb-" + DIGITS[:12] + "-" + ALNUM[:24] + "»", "xoxb-short"),
    "slack-webhook": (
        "«https://hooks.slack.com/services/" + ALNUM[:30] + "»",
        "https://hooks.slack.com/help",
    ),
    "stripe-key": ("«sk_live_" + ALNUM[:24] + "»", "sk_live_" + ALNUM[:8]),
    "google-api-key": ("«AIza" + ALNUM[:35] + "»", "AIza" + ALNUM[:40]),
    "google-oauth-secret": ("«GOCSPX-" + ALNUM[:28] + "»", "GOCSPX-" + ALNUM[:9]),
    "azure-storage-key": ("AccountKey=«" + ALNUM[:86] + "==»", "AccountKey=" + ALNUM[:30] + "=="),
    "azure-sas": (
        "https://x.example/?sv=2024-01-01&sig=«" + ALNUM[:43] + "%3D»",
        "https://x.example/?sig=abc",
    ),
    "openai-api-key": ("«sk-proj-" + ALNUM[:48] + "»", "sk-proj-" + ALNUM[:8]),
    "anthropic-api-key": ("«sk-ant-api03-" + ALNUM[:80] + "»", "sk-ant-api03-short"),
    "openrouter-api-key": ("«sk-or-v1-" + HEX + "»", "sk-or-v1-abc"),
    "hugging-face-token": ("«hf_" + LETTERS[:34] + "»", "hf_" + LETTERS[:20]),
    "groq-api-key": ("«gsk_" + ALNUM[:52] + "»", "gsk_" + ALNUM[:20]),
    "replicate-token": ("«r8_" + ALNUM[:37] + "»", "r8_" + ALNUM[:12]),
    "npm-token": ("«npm_" + ALNUM[:36] + "»", "npm_" + ALNUM[:12]),
    "pypi-token": ("«pypi-AgEIcHlwaS5vcmc" + ALNUM[:60] + "»", "pypi-AgEIcHlwaS5vcmc"),
    "sendgrid-api-key": ("«SG." + ALNUM[:22] + "." + ALNUM[:43] + "»", "SG.one.two"),
    "mailgun-api-key": ("«key-" + HEX[:32] + "»", "key-" + HEX[:20]),
    "mailchimp-api-key": ("«" + HEX[:32] + "-us12»", HEX[:32] + "-use"),
    "twilio-account-key": ("«AC" + HEX[:32] + "»", "AC" + HEX[:30]),
    "twilio-auth-token": ("TWILIO_AUTH_TOKEN=«" + HEX[:32] + "»", "md5 " + HEX[:32]),
    "digitalocean-token": ("«dop_v1_" + HEX + "»", "dop_v1_" + HEX[:20]),
    "databricks-token": ("«dapi" + HEX[:32] + "»", "dapi" + HEX[:20]),
    "vault-token": ("«hvs." + ALNUM[:24] + "»", "hvs.short"),
    "terraform-token": ("«" + ALNUM[:14] + ".atlasv1." + ALNUM[:66] + "»", "a.atlasv1.b"),
    "pulumi-token": ("«pul-" + HEX[:40] + "»", "pul-" + HEX[:20]),
    "shopify-token": ("«shpat_" + HEX[:32] + "»", "shpat_" + HEX[:20]),
    "square-token": ("«sq0atp-" + ALNUM[:22] + "»", "sq0atp-short"),
    "new-relic-key": ("«NRAK-" + "A1B2C3D4E5F6G7H8I9J0K1L2M3N»", "NRAK-A1B2"),
    "grafana-token": ("«glsa_" + ALNUM[:32] + "_" + HEX[:8] + "»", "glsa_" + ALNUM[:10]),
    "linear-api-key": ("«lin_api_" + ALNUM[:40] + "»", "lin_api_key"),
    "postman-api-key": ("«PMAK-" + HEX[:24] + "-" + HEX[:34] + "»", "PMAK-" + HEX[:24]),
    "docker-token": ("«dckr_pat_" + ALNUM[:27] + "»", "dckr_pat_x"),
    "age-secret-key": ("«AGE-SECRET-KEY-1" + "A1B2C3D4E5" * 5 + "F6G7H8I9»", "AGE-SECRET-KEY-1X"),
    "telegram-bot-token": ("«" + DIGITS[:10] + ":AA" + ALNUM[:33] + "»", DIGITS[:10] + ":AAx"),
    "discord-bot-token": ("«M" + ALNUM[:25] + "." + ALNUM[:6] + "." + ALNUM[:30] + "»", "M.abcdef.x"),
    "discord-webhook": (
        "«https://discord.com/api/webhooks/" + DIGITS[:18] + "/" + ALNUM[:68] + "»",
        "https://discord.com/api/webhooks/",
    ),
    "datadog-api-key": ("DATADOG_API_KEY=«" + HEX[:32] + "»", "datadog " + "0" * 32),
    "cloudflare-token": ("cloudflare token: «" + ALNUM[:40] + "»", "cloudflare is a company"),
    "heroku-api-key": (
        "HEROKU_API_KEY=«01234567-89ab-cdef-0123-456789abcdef»",
        "uuid 01234567-89ab-cdef-0123-456789abcdef",
    ),
    "api-key": ("api_key = '«" + ALNUM[:32] + "»'", "api_key = '" + "x" * 32 + "'"),
    "jwt": ("«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + ALNUM[:43] + "»", "eyJhbGciOiJIUzI1NiJ9.x"),
    "private-key": (
        "«-----BEGIN RSA PRIVATE KEY-----\n" + ALNUM + "\n-----END RSA PRIVATE KEY-----»\nbye",
        "-----BEGIN PUBLIC KEY-----",
    ),
    "putty-key": ("«PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none»\n\nbye", "PuTTY-User-Key-File"),
    "connection-string": (
        "«postgresql+asyncpg://app:s3cr3t" + "pw@db.example/x»",
        "postgresql://app:${PW}@db.example/x",
    ),
    "connection-string.pairs": ("Server=db;User Id=sa;Password=«s3cr3tpw»;", "Server=db;Password=<yours>;"),
    "basic-auth-url": ("«https://jane:s3cr3t@example.com/x»", "https://example.com/jane:x@y"),
    "bearer-token": ("Authorization: Bearer «" + ALNUM[:40] + "»", "the bearer of responsibilities-and-more"),
    "basic-auth-header": ("Authorization: Basic «" + ALNUM[:20] + "»", "Authorization: Basic auth"),
}

ORDINARY = (
    "The meeting is on 2024-03-15 at 10:30; version 2.14.3-rc1 ships with build 20240315.4 for $1,299.00.",
    "Order 4500123456 (ref. INV-2024-00123) weighs 12.5 kg; see chapter 3, page 114, and table 2.1.",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b, uuid 01234567-89ab-4def-8123-456789abcdef",
    "def add(a: int, b: int) -> int:\n    return a + b  # std::vector<int> x; a::b::c\n",
    "In 1998 about 1 200 000 people, or 12 %, moved; 34 of them by 12/25/98, the others in 2001-2005.",
    "SELECT id, name FROM users WHERE id = 12345678 AND password IS NOT NULL ORDER BY 1;",
    "The username is required and the password must be at least eight characters long.",
    "Die Rechnung Nr. 2024-0815 vom 3. März über 1.234,56 EUR ist am 17.03.2024 fällig.",
    "rgb(12, 34, 56) #a1b2c3 0xdeadbeef 10.5e-3 192x168 1:2:3 100-200-300 a/b/c.d",
    "Please pin the dependency, bear with me, and hand the keys to the account manager.",
)


def _parts(marked: str) -> tuple[str, str]:
    before, _, rest = marked.partition("«")
    value, _, after = rest.partition("»")
    return before + value + after, value


def test_every_recogniser_has_an_example() -> None:
    assert set(EXAMPLES) == set(EVERY)


def test_a_duplicate_id_raises() -> None:
    row = Recogniser("x", "X", "x")
    with pytest.raises(ValueError, match="listed twice"):
        by_id([row, row])


def test_all_personal_types_of_the_policy_are_recognised() -> None:
    assert {each.value for each in PiiType} <= {row.type for row in EVERY.values()}


def test_at_least_25_kinds_of_credentials() -> None:
    assert len({row.type for row in CREDENTIALS}) >= 25


@pytest.mark.parametrize("row_id", EVERY)
def test_recogniser_finds_its_value_exactly(row_id: str) -> None:
    text, value = _parts(EXAMPLES[row_id][0])
    spans = Scanner([EVERY[row_id]]).scan(text)
    assert [text[span.start : span.end] for span in spans] == [value]


@pytest.mark.parametrize("row_id", EVERY)
def test_recogniser_leaves_the_near_miss(row_id: str) -> None:
    assert Scanner([EVERY[row_id]]).scan(EXAMPLES[row_id][1]) == []


@pytest.mark.parametrize("row_id", EVERY)
def test_recogniser_finds_its_value_between_other_alphabets(row_id: str) -> None:
    text, value = _parts(f"Größe № 漢字 🔑: {EXAMPLES[row_id][0]} ende 🔑")
    spans = Scanner([EVERY[row_id]]).scan(text)
    assert [text[span.start : span.end] for span in spans] == [value]


@pytest.mark.parametrize("row_id", EVERY)
def test_first_pass_hits_joined_texts_where_it_hits_one(row_id: str) -> None:
    text, _ = _parts(EXAMPLES[row_id][0])
    joined = SEPARATOR.join(["7", text, "7"]).encode()
    assert Scanner([EVERY[row_id]]).candidates(joined) == [0]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_has_no_finds(text: str) -> None:
    assert Scanner(tuple(EVERY.values())).scan(text) == []


@pytest.mark.parametrize("row_id", EVERY)
def test_recogniser_has_bounded_widths(row_id: str) -> None:
    row = EVERY[row_id]
    before, value, after = (width.parse(each) for each in (row.before, row.pattern, row.after))
    assert width.longest(before) is not None
    assert width.longest(after) is not None
    assert width.decisive(value) is not None


def test_attack_rules_are_unique_and_their_ids_name_their_category() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.startswith(f"{rule.category.value}.") for rule in RULES)


def test_the_guide_names_every_type_and_category() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guardrails.md").read_text()
    named = {row.type for row in EVERY.values()} | {rule.category.value for rule in RULES}
    assert {each for each in named if f"`{each}`" not in guide} == set()
