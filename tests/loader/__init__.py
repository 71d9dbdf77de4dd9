"""Tests of the driver-loader."""
