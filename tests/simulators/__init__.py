"""Servers that answer as the real ones do, so that tests need no mocks and no network.

They import nothing of the gateway: a simulator that shared code with what it judges would share its bugs.
"""
