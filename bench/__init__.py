"""Benchmarks: what the platform does in a second, on loopback, beside simpler ways of doing it."""
