"""The guardrail of a first policy: what is masked and what is blocked, by class of data and jurisdiction."""

from keepstone.core.exchange import DataClass

_EVERYWHERE = (
    "EMAIL",
    "PHONE",
    "CREDIT_DEBIT_CARD_NUMBER",
    "CREDIT_DEBIT_CARD_CVV",
    "CREDIT_DEBIT_CARD_EXPIRY",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER",
    "US_SOCIAL_SECURITY_NUMBER",
)
_CONFIDENTIAL = ("DRIVER_ID", "IP_ADDRESS", "LICENSE_PLATE", "MAC_ADDRESS", "SWIFT_CODE", "USERNAME")
_BY_JURISDICTION = {
    "US": (
        "US_BANK_ACCOUNT_NUMBER",
        "US_BANK_ROUTING_NUMBER",
        "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER",
        "US_PASSPORT_NUMBER",
    ),
    "GB": (
        "UK_NATIONAL_HEALTH_SERVICE_NUMBER",
        "UK_NATIONAL_INSURANCE_NUMBER",
        "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER",
    ),
    "CA": ("CA_HEALTH_NUMBER", "CA_SOCIAL_INSURANCE_NUMBER"),
}
_SECRETS = ("AWS_ACCESS_KEY", "AWS_SECRET_KEY", "PASSWORD", "PIN")
# Numbers that open an account or a life: not even masked copies go on where data is Restricted.
_NEVER_WHEN_RESTRICTED = ("CREDIT_DEBIT_CARD_CVV", "US_SOCIAL_SECURITY_NUMBER")


def guardrail_section(
    data_class: DataClass, jurisdictions: tuple[str, ...], *, trained_on_own_data: bool
) -> str:
    """Return the text of `guardrails` for a class of data and a set of jurisdictions."""
    strict = data_class is DataClass.RESTRICTED
    strength = "HIGH" if strict or trained_on_own_data else "MEDIUM"
    why = _strength_reason(strict=strict, trained_on_own_data=trained_on_own_data)
    stream = "buffered" if strict else "windowed"
    release = (
        "A stream is held until all of it was inspected: slower, and nothing partial ever leaves."
        if strict
        else "A stream is released piece by piece, each piece after its inspection."
    )
    return f"""\
guardrails:
  default:
    description: inspects what goes to every model and what comes back
    # BLOCK refuses the call, ANONYMIZE masks the text as {{EMAIL}}, NONE only notes it.
    pii:
{_entries(data_class, jurisdictions)}
    # Tokens, private keys and connection strings have no business in a prompt or an answer.
    credentials: BLOCK
    injection:
      # {why}
      action: BLOCK
      strength: {strength}
    # Images and documents whose text cannot be read here are refused, not waved through.
    uninspectable: block
    # {release}
    stream: {stream}
"""


def _strength_reason(*, strict: bool, trained_on_own_data: bool) -> str:
    if strict:
        return "HIGH acts on every sign of an attack, at the price of some false alarms."
    if trained_on_own_data:
        return "HIGH: this model learned from your data, which attacks try to draw out."
    return "MEDIUM acts on findings of medium and high confidence."


def _entries(data_class: DataClass, jurisdictions: tuple[str, ...]) -> str:
    names = list(_EVERYWHERE)
    for jurisdiction in jurisdictions:
        names += _BY_JURISDICTION.get(jurisdiction.partition("-")[0], ())
    if data_class >= DataClass.CONFIDENTIAL:
        names += _CONFIDENTIAL
    lines = [f"      {name}: {_action(name, data_class)}" for name in dict.fromkeys(names)]
    lines += [f"      {name}: BLOCK" for name in _SECRETS]
    return "\n".join(lines)


def _action(name: str, data_class: DataClass) -> str:
    blocked = data_class is DataClass.RESTRICTED and name in _NEVER_WHEN_RESTRICTED
    return "BLOCK" if blocked else "ANONYMIZE"
