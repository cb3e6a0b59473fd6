"""The tree against RFC 6962's published vectors and against a ten-line model."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    consistent,
    inclusion_proof,
    leaf_hash,
    root_from_inclusion,
    tree_root,
)

# The eight leaves of Certificate Transparency's reference test, and the roots of the first 1 to 8 of them.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def records(count: int) -> list[bytes]:
    return [index.to_bytes(2, "big") for index in range(count)]


def nodes_of(leaves: list[bytes]):
    def node(level: int, index: int) -> bytes:
        part = leaves[index << level : (index + 1) << level]
        assert len(part) == 1 << level, "asked for a subtree that is not complete"
        return naive_root(part)

    return node


def test_the_empty_tree_has_the_hash_of_nothing():
    assert EMPTY_ROOT == Frontier().root() == tree_root(0, nodes_of([]))
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size):
    leaves = [bytes.fromhex(each) for each in LEAVES[:size]]
    edge = Frontier()
    for leaf in leaves:
        edge.add(leaf_hash(leaf))
    assert edge.root().hex() == ROOTS[size - 1] == naive_root(leaves).hex()


@given(st.integers(0, 300))
def test_the_growing_edge_equals_the_model_and_can_be_read_back(size):
    leaves = records(size)
    edge = Frontier()
    for leaf in leaves:
        edge.add(leaf_hash(leaf))
    assert edge.root() == naive_root(leaves) == tree_root(size, nodes_of(leaves))
    assert Frontier.at(size, nodes_of(leaves)).hashes == edge.hashes


@given(st.integers(1, 300), st.data())
def test_inclusion_holds_for_the_record_and_for_no_other(size, data):
    index = data.draw(st.integers(0, size - 1))
    leaves = records(size)
    proof = inclusion_proof(index, size, nodes_of(leaves))
    root = naive_root(leaves)
    assert root_from_inclusion(index, size, leaf_hash(leaves[index]), proof) == root
    assert root_from_inclusion(index, size, leaf_hash(b"other"), proof) != root
    assert root_from_inclusion(index, size, leaf_hash(leaves[index]), [*proof, root]) != root
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert root_from_inclusion(other, size, leaf_hash(leaves[index]), proof) != root
    if proof:
        assert root_from_inclusion(index, size, leaf_hash(leaves[index]), proof[:-1]) != root


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 199))
def test_consistency_holds_for_a_prefix_and_fails_for_a_rewritten_one(one, two, changed):
    old, new = sorted((one, two))
    leaves = records(new)
    old_root, new_root = naive_root(leaves[:old]), naive_root(leaves)
    proof = consistency_proof(old, new, nodes_of(leaves))
    assert consistent(old, old_root, new, new_root, proof)
    if changed < old:
        rewritten = [*leaves[:changed], b"rewritten", *leaves[changed + 1 :]]
        forged = consistency_proof(old, new, nodes_of(rewritten))
        assert not consistent(old, old_root, new, naive_root(rewritten), forged)
        assert not consistent(old, old_root, new, new_root, [*proof, old_root])


@pytest.mark.parametrize(
    "call", [lambda: inclusion_proof(3, 3, nodes_of([])), lambda: inclusion_proof(-1, 3, nodes_of([]))]
)
def test_there_is_no_proof_outside_the_tree(call):
    with pytest.raises(ValueError, match="no leaf"):
        call()


def test_a_longer_tree_is_not_within_a_shorter_one():
    with pytest.raises(ValueError, match="is not within"):
        consistency_proof(4, 3, nodes_of(records(3)))
    assert not consistent(4, EMPTY_ROOT, 3, EMPTY_ROOT, [])
