"""Every test of the store runs on both kinds of database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot.build import Package, Target
from kmodbot.bot.store.audit import Audit
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.discoveries import Discoveries
from kmodbot.bot.store.leases import Leases
from kmodbot.kernels import Driver, Kernel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PACKAGE = Package("hello.deb", "https://github.example/hello.deb", "0" * 64)


def kernel(release: str = "6.1.0-38-amd64") -> Kernel:
    return Kernel.parse(
        distribution="debian", distro_version="12", architecture="x86_64", release=release
    )


def target(release: str = "6.1.0-38-amd64", version: str = "v0.1.0") -> Target:
    return Target(Driver.parse("hello", version), kernel(release))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.prepare()
    yield database
    await database.close()


@pytest.fixture
async def other_database(database: Database) -> AsyncIterator[Database]:
    """Return the same database, as another process has it."""
    other = Database(database.url)
    yield other
    await other.close()


@pytest.fixture
def builds(database: Database) -> Builds:
    return Builds(database)


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


@pytest.fixture
def discoveries(database: Database) -> Discoveries:
    return Discoveries(database)


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database)
