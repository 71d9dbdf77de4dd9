"""Measurements: each module is run as ``python -m bench.NAME`` and prints a table."""
