"""KMS as the envelope key: real requests against moto's KMS, and each way in which it may refuse."""

import logging
from base64 import b64encode

import pytest

from keepstone.aws.kms import KmsKey
from keepstone.core.errors import LedgerError
from keepstone.ledger.envelopes import Envelopes
from keepstone.ledger.subject_keys import EnvelopeKeyFile, SubjectKeys, destroy
from keepstone.policy.schema.record import KmsEnvelope
from tests.simulators.bedrock import KEYS
from tests.simulators.behaviour import Behaviour, Failure
from tests.simulators.kms import KmsSimulator

ANN, BEA = "a" * 64, "b" * 64
LOG = "example.org/keepstone"


@pytest.fixture(scope="module")
def _kms():
    with KmsSimulator() as simulator:
        yield simulator


@pytest.fixture
def kms(_kms, monkeypatch):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_key)
    _kms.reset()
    return _kms


@pytest.fixture
def config(kms):
    return KmsEnvelope(kms_key_id=kms.new_key(), endpoint_url=kms.url)


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self):
        return self.now


def test_a_data_key_is_opened_for_its_log_and_subject_only(kms, config):
    envelope = KmsKey(config, LOG)
    secret, wrapped = envelope.make(ANN)
    assert len(secret) == 32
    assert secret not in wrapped
    assert KmsKey(config, LOG).unwrap(wrapped, ANN) == secret
    for log, subject in ((LOG, BEA), ("other.example/log", ANN)):
        with pytest.raises(LedgerError, match="InvalidCiphertextException") as refused:
            KmsKey(config, log).unwrap(wrapped, subject)
        assert refused.value.code == "content.kms"
    (made,) = kms.calls("GenerateDataKey")
    assert made == {
        "KeyId": config.kms_key_id,
        "NumberOfBytes": 32,
        "EncryptionContext": {"keepstone:log": LOG, "keepstone:subject": ANN},
    }
    assert {each["KeyId"] for each in kms.calls("Decrypt")} == {config.kms_key_id}


def test_each_data_key_is_another(config):
    envelope = KmsKey(config, LOG)
    assert envelope.make(ANN)[0] != envelope.make(ANN)[0]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            Failure(400, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not"),
            "AccessDeniedException",
        ),
        (Failure(400, "NotFoundException", "Key 'arn' does not exist"), "NotFoundException"),
        (Failure(400, "KMSInvalidStateException", "is pending deletion"), "KMSInvalidStateException"),
        (Failure(500, "KMSInternalException", "oops"), "KMSInternalException"),
        (Failure(400, "ThrottlingException", "Rate exceeded"), "ThrottlingException"),
    ],
)
def test_a_refusal_is_told_by_its_code_only_and_the_next_call_asks_again(kms, config, failure, said):
    envelope = KmsKey(config, LOG)
    kms.usually(Behaviour(failure=failure))
    with pytest.raises(LedgerError, match=said) as refused:
        envelope.make(ANN)
    assert failure.message not in refused.value.message + refused.value.hint
    assert "kms:Decrypt" in refused.value.hint
    kms.usually(Behaviour())
    assert envelope.make(ANN)


def test_who_may_make_keys_and_not_open_them_seals_nothing(kms, config):
    kms.denied.add("Decrypt")
    envelope = KmsKey(config, LOG)
    for _ in range(2):
        with pytest.raises(LedgerError, match=r"`Decrypt`: `AccessDeniedException`"):
            envelope.make(ANN)
    kms.denied.clear()
    assert envelope.make(ANN)
    assert len(kms.calls("Decrypt")) == 3
    envelope.make(BEA)
    assert len(kms.calls("Decrypt")) == 3


def test_another_key_opens_nothing_unless_it_is_named_as_a_former_one(kms, config):
    _, wrapped = KmsKey(config, LOG).make(ANN)
    changed = KmsEnvelope(kms_key_id=kms.new_key(), endpoint_url=kms.url)
    with pytest.raises(LedgerError, match="IncorrectKeyException"):
        KmsKey(changed, LOG).unwrap(wrapped, ANN)
    both = KmsEnvelope(
        kms_key_id=changed.kms_key_id, former_key_ids=(config.kms_key_id,), endpoint_url=kms.url
    )
    assert KmsKey(both, LOG).unwrap(wrapped, ANN) == KmsKey(config, LOG).unwrap(wrapped, ANN)
    with pytest.raises(LedgerError, match="does not open"):
        KmsKey(both, LOG).unwrap(wrapped, BEA)
    KmsKey(both, LOG).make(BEA)
    assert kms.calls("GenerateDataKey")[-1]["KeyId"] == changed.kms_key_id


def test_while_kms_is_out_of_reach_it_is_asked_once_in_a_while(kms, config):
    clock = Clock()
    envelope = KmsKey(config, LOG, clock=clock)
    _, wrapped = envelope.make(ANN)
    with kms.refusing():
        for _ in range(3):
            with pytest.raises(LedgerError, match=r"KMS cannot be asked: `EndpointConnectionError`"):
                envelope.unwrap(wrapped, ANN)
    with pytest.raises(LedgerError, match="cannot be asked"):
        envelope.unwrap(wrapped, ANN)
    clock.now += 3.0
    assert envelope.unwrap(wrapped, ANN)


def test_an_answer_that_does_not_come_is_not_waited_for(kms, config, monkeypatch):
    monkeypatch.setattr("keepstone.aws.kms._READ_S", 0.1)
    kms.usually(Behaviour(delay=60))
    with pytest.raises(LedgerError, match="ReadTimeoutError"):
        KmsKey(config, LOG).make(ANN)
    kms.drop_connections()
    assert len(kms.calls("GenerateDataKey")) == 2


@pytest.mark.parametrize("answer", [b"", b"x" * 31, b"x" * 33])
def test_what_is_no_data_key_is_refused(kms, config, answer, monkeypatch):
    envelope = KmsKey(config, LOG)
    _, wrapped = envelope.make(ANN)
    monkeypatch.setattr(
        envelope, "_ask", lambda _operation, **_: {"Plaintext": answer, "CiphertextBlob": wrapped}
    )
    for use in (lambda: envelope.make(ANN), lambda: envelope.unwrap(wrapped, ANN)):
        with pytest.raises(LedgerError, match="no data key of `32` bytes"):
            use()


def test_without_credentials_it_says_so(config, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(LedgerError, match="NoCredentialsError"):
        KmsKey(config, LOG).make(ANN)


def test_no_key_is_in_a_log_a_form_for_people_or_an_error(kms, config, caplog):
    caplog.set_level(logging.INFO)
    envelope = KmsKey(config, LOG)
    secret, wrapped = envelope.make(ANN)
    with pytest.raises(LedgerError) as refused:
        envelope.unwrap(wrapped, BEA)
    told = [
        caplog.text,
        repr(envelope),
        repr(vars(envelope)),
        repr(refused.value),
        repr(refused.value.__cause__),
    ]
    assert kms.plaintexts
    assert b64encode(secret).decode() in kms.plaintexts
    for shown in (secret.hex(), b64encode(secret).decode(), repr(secret)):
        assert all(shown not in text for text in told)


# --- with the subjects' keys --------------------------------------------------------------------------------


def subject_keys(tmp_path, config, **options):
    service = KmsKey(config, LOG) if config else None
    return SubjectKeys(tmp_path / "content", Envelopes(tmp_path, lambda: service), **options)


def test_a_key_is_asked_for_again_after_its_time_and_not_before(tmp_path, kms, config):
    clock = Clock()
    keys = subject_keys(tmp_path, config, age_s=60, clock=clock)
    made = keys.obtain(ANN)
    asked = len(kms.requests)
    clock.now += 59
    assert keys.obtain(ANN) is made
    assert len(kms.requests) == asked
    clock.now += 1
    kms.disabled.add(config.kms_key_id)
    with pytest.raises(LedgerError, match="DisabledException"):
        keys.obtain(ANN)
    kms.disabled.clear()
    assert keys.obtain(ANN) == made
    clock.now += 60
    keys.forget_destroyed()
    assert not keys._known


def test_after_a_restart_the_key_is_the_same(tmp_path, kms, config):
    made = subject_keys(tmp_path, config).obtain(ANN)
    assert subject_keys(tmp_path, config).obtain(ANN) == made
    assert len(kms.calls("GenerateDataKey")) == 1
    assert not (tmp_path / "content.key").exists()


def test_a_destroyed_key_is_not_kms_to_give_back(tmp_path, kms, config):
    keys = subject_keys(tmp_path, config)
    made = keys.obtain(ANN)
    wrapped = (tmp_path / f"content/{ANN}.key").read_bytes()
    assert destroy(tmp_path / "content", ANN, made.id)
    assert all(wrapped not in each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert subject_keys(tmp_path, config).find(ANN) is None
    assert keys.obtain(ANN).secret != made.secret


def test_keys_of_both_kinds_are_opened_and_new_ones_are_of_the_policys(tmp_path, kms, config):
    before = subject_keys(tmp_path, None).obtain(ANN)
    moved = subject_keys(tmp_path, config)
    assert moved.obtain(ANN) == before
    assert not kms.requests
    new = moved.obtain(BEA)
    assert len(kms.calls("GenerateDataKey")) == 1
    back = subject_keys(tmp_path, None)
    assert back.obtain(ANN) == before
    with pytest.raises(LedgerError, match="the policy names none"):
        back.obtain(BEA)
    assert subject_keys(tmp_path, config).find(BEA) == new


def test_the_files_key_is_not_made_to_open_what_it_cannot(tmp_path, config):
    SubjectKeys(tmp_path / "content", EnvelopeKeyFile(tmp_path)).obtain(ANN)
    (tmp_path / "content.key").unlink()
    for which in (None, config):
        with pytest.raises(LedgerError, match="is missing"):
            subject_keys(tmp_path, which).find(ANN)
    assert not (tmp_path / "content.key").exists()


def test_another_subjects_wrapped_key_is_refused(tmp_path, config):
    keys = subject_keys(tmp_path, config)
    keys.obtain(ANN)
    (tmp_path / f"content/{BEA}.key").write_bytes((tmp_path / f"content/{ANN}.key").read_bytes())
    with pytest.raises(LedgerError, match="does not open with the KMS key"):
        keys.find(BEA)
