"""One file for each distribution: how an entry tells its distro version and kernel release."""
