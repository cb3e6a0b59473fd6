"""Where data may go: compiled rules and pure verdicts."""
