"""The build matrix: which kernels still need which driver version, cut into jobs and chunks."""
