"""The checks, one file for each subject; `registry.py` lists them."""
