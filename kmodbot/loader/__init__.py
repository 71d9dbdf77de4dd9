"""The driver-loader: gets a node the driver built for exactly the kernel it runs."""
