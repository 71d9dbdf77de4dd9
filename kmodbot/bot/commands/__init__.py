"""The commands of an operator beside ``kmodbot serve``."""
