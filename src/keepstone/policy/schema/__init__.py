"""The policy document's types, one file for each of its parts."""
