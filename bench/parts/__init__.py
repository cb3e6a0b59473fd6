"""Keepstone's own parts, each made ready to be timed alone by `bench/micro.py`."""
