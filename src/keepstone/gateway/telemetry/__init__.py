"""Traces and metrics for OpenTelemetry; off unless a collector is named, and then off the hot path."""
