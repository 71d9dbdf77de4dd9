"""A role that did not migrate serves with the rights that the documentation names."""

from __future__ import annotations

import dataclasses
import itertools
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from sqlalchemy.exc import DBAPIError

from kmodbot.bot.app import create_app
from kmodbot.bot.store.audit import Audit
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database, StoreError
from kmodbot.bot.store.deliveries import Deliveries, Delivery, DeliveryState
from kmodbot.bot.store.discoveries import Discoveries, Discovery
from kmodbot.bot.store.leases import Leases
from kmodbot.bot.store.owner import Owner, Owners
from tests.bot.conftest import running_bot
from tests.bot.postgresql import PASSWORD
from tests.bot.store.conftest import NOW, PACKAGE, kernel, target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.postgresql import Server

ROLE = "kmodbot_serving"
# Of kernels that were never seen before.
NUMBERS = itertools.count(1)
PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
GRANTS = re.findall(rf"^GRANT (.+) ON (.+) TO {ROLE};$", PAGE.read_text(), re.MULTILINE)
# Each right by itself.
RIGHTS = [
    (right, f"SEQUENCE {names.split()[1]}" if names.startswith("SEQUENCE") else name)
    for rights, names in GRANTS
    for right in rights.split(", ")
    for name in names.split(", ")
]


@pytest.fixture
def store() -> str:
    return "postgresql"


@pytest.fixture
def name(database_url: str) -> str:
    """Return the name of a database that another role has migrated."""
    return database_url.rpartition("/")[2]


@pytest.fixture
def role(postgresql: Server, name: str) -> Iterator[str]:
    """Return the address of the database for a role that has what the documentation grants."""
    postgresql.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
    postgresql.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC", name)
    for rights, names in GRANTS:
        postgresql.sql(f"GRANT {rights} ON {names} TO {ROLE}", name)
    yield postgresql.url(name).replace("//postgres:", f"//{ROLE}:")
    postgresql.sql(f"DROP OWNED BY {ROLE}", name)
    postgresql.sql(f"DROP ROLE {ROLE}")


@pytest.fixture
async def database(role: str) -> AsyncIterator[Database]:
    database = Database(role)
    yield database
    await database.close()


def revoke(server: Server, name: str, right: str, what: str) -> None:
    server.sql(f"REVOKE {right} ON {what} FROM {ROLE}", name)


async def use_everything(database: Database) -> None:
    """Do each kind of thing that a bot does with its database."""
    await database.prepare()
    builds, deliveries, leases = Builds(database), Deliveries(database), Leases(database)
    discoveries, owners = Discoveries(database), Owners(database)
    build_id, guid = uuid.uuid4().hex, uuid.uuid4().hex
    release = f"6.1.0-{next(NUMBERS)}-amd64"

    await builds.reserve(build_id, target(release), NOW, "node", action="build.request")
    await builds.done(build_id, PACKAGE)
    await builds.forget_failed(NOW)
    await Audit(database).last(1)
    await Audit(database).forget(NOW)
    await deliveries.receive_all([Delivery(guid, "push", b"{}")], NOW)
    await deliveries.lease("me", NOW, NOW, 1)
    await deliveries.forget(NOW, DeliveryState.DEAD)
    await leases.take("work", "me", NOW, NOW)
    await leases.record("work", "me", "{}")
    await leases.give_back("work", "me", NOW)
    seen = Discovery(
        kernel(release), ("core",), buildable=True, first_seen_at=NOW, last_seen_at=NOW
    )
    await discoveries.record([seen])
    await discoveries.record([dataclasses.replace(seen, last_seen_at=NOW + timedelta(days=1))])
    await owners.claim(Owner("https://github.example", 7, "acme/hello-driver"))
    await owners.renamed(Owner("https://github.example", 7, "acme/greeter"))


async def is_refused(database: Database) -> bool:
    """Tell whether something cannot be done for want of a right."""
    try:
        await use_everything(database)
    except (DBAPIError, StoreError) as error:
        # Without the schema nothing of it is seen.
        return re.search("permission denied|is older than", str(error)) is not None
    return False


async def test_everything_can_be_done_and_each_right_is_needed(
    database: Database, postgresql: Server, name: str
) -> None:
    assert len(RIGHTS) > 20
    await use_everything(database)

    unneeded = []
    for right, what in RIGHTS:
        revoke(postgresql, name, right, what)
        if not await is_refused(database):
            unneeded.append((right, what))
        postgresql.sql(f"GRANT {right} ON {what} TO {ROLE}", name)

    assert unneeded == []
    await use_everything(database)


async def test_a_bot_serves(role: str, settings: Settings, github: Sandbox) -> None:
    served = dataclasses.replace(settings, database_url=role)
    async with running_bot(served, github) as bot:
        status, asked = await bot.ask()
        assert status == 202
        assert (await bot.finished(asked["build_id"]))["status"] == "done"
        async with bot.client.get("/readyz") as answer:
            assert answer.status == 200

    assert len(github.pulls) == 1


async def test_what_a_role_may_not_use_is_named(
    role: str, settings: Settings, postgresql: Server, name: str
) -> None:
    revoke(postgresql, name, "SELECT", "repository")
    runner = web.AppRunner(create_app(dataclasses.replace(settings, database_url=role)))

    with pytest.raises(StoreError, match="permission denied for table repository"):
        await runner.setup()
    await runner.cleanup()
