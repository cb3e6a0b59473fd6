"""The shared words; imports nothing of ours."""
