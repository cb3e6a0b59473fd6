"""Red-team tools as their users have them, against a real gateway: `make test-redteam`."""
