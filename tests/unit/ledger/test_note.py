"""Signed notes, checkpoints, keys and proofs: the written forms, and what they refuse."""

import base64
import stat

import pytest

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import leaf_hash
from keepstone.ledger.proof import Proof, parse

# The example of c2sp.org/signed-note.
EXAMPLE_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = LedgerKey.create("keepstone/test")
VERIFIER = note.Verifier.parse(KEY.verifier)


def signed(size: int = 1, root: bytes = leaf_hash(b"only")) -> str:
    return KEY.checkpoint(size, root, KEY.sign(size, root))


def test_the_specification_s_own_example_verifies():
    verifier = note.Verifier.parse(EXAMPLE_VKEY)
    assert note.open_note(EXAMPLE_NOTE, verifier).startswith("If you think cryptography")
    assert note.vkey("PeterNeumann", verifier.public.public_bytes_raw()) == EXAMPLE_VKEY


def test_a_checkpoint_has_the_specified_lines_and_comes_back():
    text = signed(7, leaf_hash(b"x"))
    assert text.split("\n")[:4] == ["keepstone/test", "7", base64.b64encode(leaf_hash(b"x")).decode(), ""]
    assert note.open_checkpoint(text, VERIFIER) == note.Checkpoint("keepstone/test", 7, leaf_hash(b"x"))


def test_unknown_signatures_and_extension_lines_are_ignored():
    text = note.Checkpoint(KEY.name, 3, bytes(32)).text() + "an extension\n"
    mine = note.render(text, KEY.name, KEY.identity, note.sign(text, KEY.private))
    witness = "\u2014 witness.example " + base64.b64encode(b"abcd" + bytes(72)).decode() + "\n"
    assert note.open_checkpoint(mine + witness, VERIFIER).size == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("keepstone/test\n1\n", "keepstone/test\n2\n"),
        lambda text: text.replace("\n1\n", "\n01\n"),
        lambda text: text[:-1],
        lambda text: text.replace("\u2014 ", "- "),
        lambda text: text.replace("\u2014 keepstone/test", "\u2014 keepstone/other"),
        lambda text: text.partition("\n\n")[0] + "\n\n",
        lambda text: "",
    ],
)
def test_a_changed_checkpoint_is_refused(change):
    with pytest.raises(LedgerError):
        note.open_checkpoint(change(signed()), VERIFIER)


def test_a_root_hash_has_one_spelling():
    canonical = base64.b64encode(bytes(32)).decode()
    other = canonical[:-2] + "B="  # decodes to the same bytes, for its last bits are unused
    assert base64.b64decode(other) == bytes(32)
    assert note.parse_checkpoint(f"o\n1\n{canonical}\n").root == bytes(32)
    with pytest.raises(LedgerError, match="malformed"):
        note.parse_checkpoint(f"o\n1\n{other}\n")


def test_a_checkpoint_of_another_key_or_another_log_is_refused():
    other = LedgerKey.create("keepstone/test")
    with pytest.raises(LedgerError, match="no signature of"):
        note.open_checkpoint(signed(), note.Verifier.parse(other.verifier))
    text = note.Checkpoint("keepstone/elsewhere", 1, bytes(32)).text()
    moved = note.render(text, KEY.name, KEY.identity, note.sign(text, KEY.private))
    with pytest.raises(LedgerError, match="is of `keepstone/elsewhere`"):
        note.open_checkpoint(moved, VERIFIER)


@pytest.mark.parametrize(
    "vkey",
    ["", "name", "a b+00000000+AAAA", "name+00000000+AAAA", KEY.verifier.replace("+", "+0", 1), "++"],
    ids=["empty", "name only", "space in name", "short key", "long hash", "no parts"],
)
def test_a_malformed_verifier_key_is_refused(vkey):
    with pytest.raises(LedgerError):
        note.Verifier.parse(vkey)


def test_a_proof_is_self_contained_and_refuses_any_change():
    proof = Proof(b"only", 0, (), signed())
    assert parse(proof.render()) == proof
    assert proof.check(VERIFIER).size == 1
    for wrong in (
        Proof(b"else", 0, (), signed()),
        Proof(b"only", 1, (), signed()),
        Proof(b"only", 0, (bytes(32),), signed()),
    ):
        with pytest.raises(LedgerError, match="is not record"):
            wrong.check(VERIFIER)


START = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        START + "index 0\n\nx",
        START + "extra !\nindex 0\n\nx",
        START + "extra QQ==\nindex -1\n\nx",
        START + "extra QQ==\nindex 0\nQQ==\n\nx",
    ],
)
def test_a_malformed_proof_is_refused(text):
    with pytest.raises(LedgerError, match="malformed"):
        parse(text)


def test_keys_are_made_once_and_only_their_owner_can_read_them(tmp_path):
    folder = tmp_path / "keys"
    key = LedgerKey.load_or_create(folder)
    again = LedgerKey.load_or_create(folder)
    assert (again.verifier, again.commit(b"x")) == (key.verifier, key.commit(b"x"))
    assert (folder / "ledger.vkey").read_text().strip() == key.verifier
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ledger.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["ledger.key", "ledger.vkey"]
    assert key.private.private_bytes_raw().hex() not in repr(key)


@pytest.mark.parametrize(("where", "mode"), [("", 0o750), ("ledger.key", 0o640), ("ledger.key", 0o604)])
def test_loose_permissions_are_refused(tmp_path, where, mode):
    folder = tmp_path / "keys"
    LedgerKey.load_or_create(folder)
    (folder / where).chmod(mode)
    with pytest.raises(LedgerError, match="others could use"):
        LedgerKey.load_or_create(folder)


HEADER = "keepstone-ledger-key-v1"


@pytest.mark.parametrize("content", ["", "x\n", f"{HEADER}\nn\n00\n00\n", f"{HEADER}\nn\nzz\nzz\n"])
def test_a_malformed_key_file_is_refused(tmp_path, content):
    folder = tmp_path / "keys"
    LedgerKey.load_or_create(folder)
    (folder / "ledger.key").write_text(content)
    with pytest.raises(LedgerError, match="malformed"):
        LedgerKey.load_or_create(folder)


def test_commitments_are_keyed_so_that_a_short_text_cannot_be_guessed():
    other = LedgerKey.create()
    assert KEY.commit(b"yes") == KEY.commit(b"yes") != KEY.commit(b"no")
    assert KEY.commit(b"yes") != other.commit(b"yes")
    assert KEY.commit(b"yes").startswith("hmac-sha256:")
