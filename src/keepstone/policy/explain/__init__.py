"""The policy in plain language: a whole document, or one decision."""
