"""Detectors: text to spans. Pure."""
