"""Counting against limits: windows, the lines a call counts in, and the store that gateways share."""
