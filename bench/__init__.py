"""Benchmarks: the gateway beside its peers (`bench/run`), and its own parts one by one (`bench.micro`)."""
