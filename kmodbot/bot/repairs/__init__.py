"""Repairs: what is done on a schedule because news can be lost. Each is safe to repeat."""
