"""The schema's versions: which one a database has, and bringing it to the one that this program knows.

Migrations go forward only; the way back is a restore. On SQLite a whole upgrade is one transaction, so a crash inside
it leaves the database as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from adapters.errors import BadSetup
from adapters.store import dialect

HEAD: Final = "0009"
"""The schema that this program reads and writes; a test holds it equal to Alembic's head."""
_SCRIPTS: Final = Path(__file__).with_name("migrations")


def parse(url: str) -> URL:
    """The URL of a store; raises `BadSetup`, without repeating it, for one that no store speaks."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        urls = "sqlite:///folder/file.db or postgresql://user@host/database"
        raise BadSetup((f"the store's URL is none: {urls}",)) from None
    dialect.of(parsed)
    return parsed


def printable(url: str) -> str:
    """The URL of a store as it may be printed: without its password, wherever in it one stands. Raises `BadSetup`."""
    parsed = parse(url)
    query = {name: "***" if "password" in name.lower() else value for name, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True)


def version_of(connection: Connection) -> str:
    """The database's schema version; empty when it has none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or "")


def known_versions() -> tuple[str, ...]:
    """All versions that this program can start from, the newest first."""
    from alembic.script import ScriptDirectory

    return tuple(script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions())


def other(found: str) -> str:
    """What to do about a store of another schema than this program's."""
    if found not in known_versions():
        return f"the store has schema {found}, which is newer than this program's {HEAD}: use a newer program"
    return (
        f"the store has schema {found}, this program needs {HEAD}: back it up with the program that wrote it, "
        "then `oncoclaims migrate`"
    )


def upgrade(connection: Connection) -> None:
    """Bring the database to `HEAD` inside the caller's transaction; raises `BadSetup` for a version unknown here."""
    # Late: Alembic takes a quarter of a second to import, and a store that is up to date needs none of it.
    from alembic import command
    from alembic.config import Config

    found = version_of(connection)
    if found and found not in known_versions():
        raise BadSetup((other(found),))
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    dialect.spoken(connection).settle(connection)


def migrate(url: str, *, create: bool = True) -> str:
    """Bring the database of the URL to this program's schema; the version it had (empty: none, it was made new).

    Without `create` raises `BadSetup` where there is no store.
    """
    parsed = parse(url)
    database = dialect.of(parsed)
    missing = BadSetup(("there is no store at this URL: `oncoclaims init` makes one",))
    if not (create or database.exists(parsed)):
        raise missing
    engine = database.open_writer(parsed)
    try:
        with database.turns(parsed)(), engine.connect() as connection, connection.begin():
            before = version_of(connection)
            if not (create or before):
                raise missing
            if before != HEAD:
                upgrade(connection)
            return before
    finally:
        engine.dispose()
