"""Readers: what a source says, as a snapshot. They judge nothing."""
