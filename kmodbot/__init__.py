"""Builds kernel drivers for the kernels a fleet really boots, when it asks, and remembers them."""
