"""The record: canonical form, Merkle log, signed checkpoints, verification."""
