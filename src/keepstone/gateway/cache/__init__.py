"""Answers that are kept for questions that come again."""
