"""Ports for servers that have to be told theirs."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def held_port() -> Iterator[int]:
    """Yield a port that nobody gets within the block but who asks for it by its number.

    It is bound, but not listened on: connections are refused until a server listens, which may come
    and go. Servers reuse addresses (``SO_REUSEADDR``), so one that is bound is free for them.
    https://man7.org/linux/man-pages/man7/socket.7.html
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port
