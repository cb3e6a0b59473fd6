"""Generators of the project's own data."""
