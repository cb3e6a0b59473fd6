"""Tests of the posture room."""
