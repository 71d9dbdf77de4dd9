"""A server that answers as it is told, for the loader to meet over real HTTP."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True)
class Reply:
    """An answer: ``body`` as bytes, or as an object that becomes JSON.

    ``cut`` ends the body after so many bytes; ``hang_up`` closes the connection unanswered.
    """

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    hang_up: bool = False

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Call:
    """A request that was received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Answers each "METHOD path" with its replies in turn, the last for ever; else with 404.

    A path counts without its query. The server can be stopped and started again on its port.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self._port = 0
        self._lock = threading.Lock()
        self.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def on(self, wanted: str, *replies: Reply) -> None:
        self._replies[wanted] = list(replies)

    def made(self, wanted: str) -> list[Call]:
        return [call for call in self.calls if f"{call.method} {call.path.split('?')[0]}" == wanted]

    def reply_to(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            waiting = self._replies[f"{call.method} {call.path.split('?')[0]}"]
            if len(waiting) > 1:
                return waiting.pop(0)
            return waiting[0] if waiting else Reply(404, {"message": "Not Found"})


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = server.reply_to(Call(self.command, self.path, dict(self.headers), body))
            if reply.hang_up:
                self.close_connection = True
                return
            content = reply.content()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: reply.cut])

        do_GET = do_POST = _answer  # noqa: N815 - the names http.server looks for

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
