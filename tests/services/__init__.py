"""Real servers that tests run against, started here."""
