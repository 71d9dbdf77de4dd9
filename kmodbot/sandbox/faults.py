"""Faults on demand: what goes wrong, how often, and for which requests or webhooks."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterator

RequestKind = Literal[
    "delay", "status", "lost_answer", "secondary_limit", "primary_limit", "reset", "lag"
]
WebhookKind = Literal["delay", "lost", "doubled"]
KINDS: Final = frozenset(get_args(RequestKind)) | frozenset(get_args(WebhookKind))


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong `times` times, then no more.

    Without `event` it strikes requests whose method is `method` (None: any) and in whose path
    (without `/api/v3`) the expression `path` is found:

    - `delay`: the answer comes `seconds` later;
    - `status`: answered with `status` before anything is applied;
    - `lost_answer`: applied, then answered with `status`, or not at all with `drop`;
    - `secondary_limit`: 403 with `Retry-After: seconds`, nothing applied;
    - `primary_limit`: 403 with no requests remaining, nothing applied;
    - `reset`: the connection is closed before anything is applied;
    - `lag`: a list of runs lacks those created within the last `seconds`, which can be asked for
      by their ids all the same.

    With `event` (and `action`, None: any) it strikes webhooks: `lost` (never sent), `doubled`
    (sent twice) or `delay` (sent `seconds` later).
    """

    kind: RequestKind | WebhookKind
    method: str | None = None
    path: str = ""
    times: int = 1
    seconds: float = 1.0
    status: int = 502
    drop: bool = False
    event: str | None = None
    action: str | None = None

    def __post_init__(self) -> None:
        kinds = get_args(WebhookKind) if self.event else get_args(RequestKind)
        if self.kind not in kinds:
            raise ValueError(f"kind: expected one of {', '.join(kinds)}, got {self.kind!r}")
        re.compile(self.path)

    @classmethod
    def from_json(cls, document: Any) -> Fault:
        """Return the fault that a JSON object describes.

        Raises:
            ValueError: a member is unknown or has no usable value.

        """
        known = {field.name for field in fields(cls)}
        if not isinstance(document, dict) or "kind" not in document or set(document) - known:
            raise ValueError(f"expected an object with kind and any of {', '.join(sorted(known))}")
        return cls(**document)


class Faults:
    """The faults still to happen, oldest first."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []
        self._idle: list[Fault] = []
        self._spares_requests = False

    @property
    def idle(self) -> list[Fault]:
        """Those that have not struck even once, forgotten ones included."""
        return [*self._idle]

    def add(self, fault: Fault) -> None:
        """Let `fault` happen to the next `fault.times` matches."""
        self._pending.append(fault)
        self._idle.append(fault)

    def clear(self) -> None:
        """Forget every fault that has not happened."""
        self._pending.clear()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let no request go wrong within the block; webhooks do as they would."""
        before, self._spares_requests = self._spares_requests, True
        try:
            yield
        finally:
            self._spares_requests = before

    def for_request(self, method: str, path: str) -> Fault | None:
        """Return, and count down, the fault that strikes this request."""
        if self._spares_requests:
            return None
        for fault in self._pending:
            fits = fault.event is None and fault.method in (None, method)
            if fits and re.search(fault.path, path):
                return self._spend(fault)
        return None

    def for_webhook(self, event: str, action: str | None) -> Fault | None:
        """Return, and count down, the fault that strikes this webhook."""
        for fault in self._pending:
            if fault.event == event and fault.action in (None, action):
                return self._spend(fault)
        return None

    def _spend(self, fault: Fault) -> Fault:
        self._idle = [each for each in self._idle if each is not fault]
        fault.times -= 1
        if fault.times <= 0:
            self._pending.remove(fault)
        return fault
