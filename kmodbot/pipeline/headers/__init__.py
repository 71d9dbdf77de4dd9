"""Kernel headers: where each distribution keeps them, tried in order."""

from kmodbot.pipeline.headers.chain import CHAINS, fetch_headers
from kmodbot.pipeline.headers.tree import HeaderTree

__all__ = ["CHAINS", "HeaderTree", "fetch_headers"]
