"""Limits on a real Valkey, side by side with those counted in process."""
