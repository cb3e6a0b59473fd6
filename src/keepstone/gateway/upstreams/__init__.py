"""Servers that answer model calls, behind one protocol."""
