"""One door to the database."""
