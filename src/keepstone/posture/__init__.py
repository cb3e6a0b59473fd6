"""Posture: facts about an environment, frozen, and what checks say about them."""
