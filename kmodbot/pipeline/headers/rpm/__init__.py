"""Kernel headers of the distributions that use rpm: which package, from where, checked how."""
