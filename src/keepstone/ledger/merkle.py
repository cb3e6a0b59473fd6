"""The Merkle tree of RFC 6962 section 2: hashes, the growing edge, proofs and their verification; pure.

A node is named by (level, index): it covers the leaves `index << level` up to `(index + 1) << level`. Proofs
are made from a `Nodes` function, so the same code serves tiles on disk, a list in memory and a simulator.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()  # RFC 6962 2.1: the hash of an empty list

Nodes = Callable[[int, int], bytes]
"""(level, index) -> hash of that complete subtree; raises when the subtree is not stored."""


def leaf_hash(record: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 || record)."""
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one hash per set bit of its size, the largest subtree first."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)

    def copy(self) -> "Frontier":
        """Return an edge that grows on its own."""
        return Frontier(self.size, self.hashes)

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash; as many subtrees close as the old size has trailing one bits."""
        edge = self.hashes
        bits = self.size
        while bits & 1:
            leaf = sha256(b"\x01" + edge.pop() + leaf).digest()
            bits >>= 1
        edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root hash of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    @classmethod
    def at(cls, size: int, nodes: Nodes) -> "Frontier":
        """Return the edge of the tree of `size` leaves, read from stored nodes."""
        edge = [nodes(level, (size >> level) - 1) for level in _levels(size)]
        return cls(size, edge)


def _levels(size: int) -> list[int]:
    """Return the heights of the complete subtrees that a tree of `size` leaves consists of."""
    return [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root above 2^k sibling hashes of one level."""
    row = list(hashes)
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def range_root(start: int, stop: int, nodes: Nodes) -> bytes:
    """Return MTH(D[start:stop]) where `start` is a multiple of the first subtree's width (RFC 6962 2.1)."""
    width = stop - start
    split = 1 << (width - 1).bit_length() - 1 if width > 1 else 1
    if width == 1 or width == split * 2:
        level = width.bit_length() - 1
        return nodes(level, start >> level)
    return node_hash(range_root(start, start + split, nodes), range_root(start + split, stop, nodes))


def tree_root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the first `size` leaves."""
    return range_root(0, size, nodes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return PATH(index, D[size]), leaf side first (RFC 6962 2.1.1); raise `ValueError` outside the tree."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf `{index}` in a tree of `{size}`")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        if index < middle:
            path.append(range_root(middle, stop, nodes))
            stop = middle
        else:
            path.append(range_root(start, middle, nodes))
            start = middle
    return path[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that `proof` leads to, or None when its length does not fit (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    fn, sn, root = index, size - 1, leaf
    for step in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = node_hash(step, root)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            root = node_hash(root, step)
        fn >>= 1
        sn >>= 1
    return root if sn == 0 else None


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return PROOF(old, D[new]) (RFC 6962 2.1.2); empty when `old` is 0 or equals `new`."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of `{old}` is not within a tree of `{new}`")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, stop, whole = 0, new, True
    while stop != old:
        middle = start + (1 << (stop - start - 1).bit_length() - 1)
        if old <= middle:
            path.append(range_root(middle, stop, nodes))
            stop = middle
        else:
            path.append(range_root(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        path.append(range_root(start, stop, nodes))
    return path[::-1]


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether `proof` shows that the new tree begins with the old one (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and old_root == (EMPTY_ROOT if old == 0 else new_root)
    steps = [old_root, *proof] if old & old - 1 == 0 else list(proof)
    if not steps:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    first = second = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = node_hash(step, first), node_hash(step, second)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            second = node_hash(second, step)
        fn >>= 1
        sn >>= 1
    return sn == 0 and first == old_root and second == new_root
