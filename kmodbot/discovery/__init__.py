"""Kernel lists: where kernels are announced, what that says of them, and what is to be built."""
