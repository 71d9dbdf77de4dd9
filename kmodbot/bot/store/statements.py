"""The statements that every delivery needs.

Making a statement takes longer than carrying it out, so these are made once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    Integer,
    LargeBinary,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kmodbot.bot.delivery import Delivery, DeliveryState
from kmodbot.bot.store.database import upsert
from kmodbot.bot.store.tables import WAITING, UtcDateTime, deliveries

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Select, Update
    from sqlalchemy.sql.dml import ReturningUpdate

_WENT_WRONG = or_(
    deliveries.c.state == DeliveryState.DEAD,
    and_(deliveries.c.state == DeliveryState.RECEIVED, deliveries.c.attempts > 0),
)


def packed(arrived: Collection[Delivery]) -> str:
    """Return deliveries as one JSON list, each id once: one value binds any number of rows.

    They are in order, so that two processes that store the same ones do not wait for each other.
    """
    rows = {each.guid: (each.guid, each.event, each.payload.decode()) for each in arrived}
    return msgspec.json.encode([rows[guid] for guid in sorted(rows)]).decode()


@functools.cache
def arrival(dialect: str) -> postgresql.Insert | sqlite.Insert:
    """Store the list ``arrived`` at ``now``: new ones and those that went wrong are received."""
    statement = upsert(dialect, deliveries).from_select(*_unpacked(dialect))
    new = statement.excluded
    again = {name: new[name] for name in ("payload", "state", "next_try_at", "attempts")}
    return statement.on_conflict_do_update(
        index_elements=["guid"], set_=again | {"error": None}, where=_WENT_WRONG
    )


def _unpacked(dialect: str) -> tuple[list[str], Select[Any]]:
    """Return the columns of new deliveries, and a selection that unpacks them in the database."""
    row: ColumnElement[Any]
    payload: ColumnElement[Any]
    arrived, now = bindparam("arrived", type_=Text), bindparam("now", type_=UtcDateTime)
    if dialect == "postgresql":
        row = func.jsonb_array_elements(cast(arrived, postgresql.JSONB)).column_valued("row")
        payload = func.convert_to(row.op("->>")(2), "UTF8")
    else:
        row = func.json_each(arrived).table_valued("value").c.value
        payload = cast(row.op("->>")(2), LargeBinary)
    columns = {
        "guid": row.op("->>")(0),
        "event": row.op("->>")(1),
        "payload": payload,
        "state": literal(DeliveryState.RECEIVED.value),
        "received_at": now,
        "next_try_at": now,
        "attempts": literal(0),
    }
    # SQLite takes ON CONFLICT for a join's ON unless there is a WHERE before it.
    # https://www.sqlite.org/lang_upsert.html#parsing_ambiguity
    return list(columns), select(*columns.values()).where(true())


@functools.cache
def arrived() -> Select[tuple[str]]:
    """Return which of the deliveries ``guids`` were received, new or again, at ``now``."""
    among = deliveries.c.guid.in_(bindparam("guids", expanding=True))
    at = deliveries.c.next_try_at == bindparam("now")
    return select(deliveries.c.guid).where(text(WAITING), among, at)


@functools.cache
def lease() -> ReturningUpdate[Any]:
    """Give ``most`` deliveries that are due at ``now`` to ``holder`` until ``until``."""
    table = deliveries.c
    due = (
        select(table.guid)
        .where(text(WAITING), table.next_try_at <= bindparam("now"))
        .order_by(table.next_try_at)
        .limit(bindparam("most", type_=Integer))
        # What another process is taking right now is left to it. SQLite has one writer.
        .with_for_update(skip_locked=True)
        # As a subquery it may be run more than once, and then take more than the limit.
        .cte("due")
    )
    leased: dict[str, Any] = {"leased_by": bindparam("holder"), "next_try_at": bindparam("until")}
    return (
        update(deliveries)
        .where(table.guid.in_(select(due.c.guid)))
        .values(state=DeliveryState.PROCESSING, **leased)
        .returning(table.guid, table.event, table.payload, table.attempts, table.received_at)
    )


@functools.cache
def done() -> Update:
    """Record that the work of the deliveries ``guids`` is done."""
    values = {"leased_by": None, "error": None, "payload": b""}
    finished = update(deliveries).where(deliveries.c.guid.in_(bindparam("guids", expanding=True)))
    return finished.values(state=DeliveryState.DONE, **values)
