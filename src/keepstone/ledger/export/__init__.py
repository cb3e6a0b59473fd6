"""The record in other people's formats, from the same entries that the Merkle log proves."""
