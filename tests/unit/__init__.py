"""Unit tests; the folders mirror `src/keepstone`."""
