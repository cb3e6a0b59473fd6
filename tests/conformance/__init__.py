"""Tests that walk whole registries, and tests of the simulators themselves."""
