"""Opening a database, and the two kinds of transaction on it.

SQLite runs in WAL mode with ``synchronous=FULL``: what is committed survives a killed process
and a power cut. Writers are serialised on both backends (``BEGIN IMMEDIATE`` and a row lock
on `state`), so the order of keys is the order of commits, which is what lets a reader catch up
by asking for everything newer than the last key it saw.
"""

import datetime as dt
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Table, event, select

from biomatch.database import migrations, schema
from biomatch.database.audit import AuditReport, canonical, chain, check
from biomatch.errors import DatabaseError

__all__ = ["Store", "Writer", "now"]

BUSY_SECONDS = 60
"""How long a writer waits for another writer."""

CONNECT_SECONDS = 10
"""How long a PostgreSQL server may take to answer, unless the URL says ``connect_timeout``."""


REMEDIES = {
    "readonly database": "give the right to write the file and its folder, which searches need too",
    "unable to open": "check that the file and its folder may be read and written",
    "database is locked": "another program holds it: try again, or end that one",
    "lock timeout": "another program holds it: try again, or end that one",
    "malformed": "restore a backup",
    "not a database": "name another file",
}
"""What to do about the messages of SQLite and PostgreSQL."""


def now() -> str:
    """Time stamp of records: UTC, ISO 8601, milliseconds."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Writer:
    """One write transaction: draws keys, inserts rows, chains audit rows.

    Attributes
    ----------
    connection
        The open transaction.
    generation
        Last key drawn.
    """

    def __init__(self, connection: Connection, generation: int, head: str, length: int) -> None:
        self.connection = connection
        self.generation = generation
        self.head = head
        self._length = length
        self._rows: dict[str, tuple[Table, list[Mapping[str, Any]]]] = {}

    def draw(self, count: int = 1) -> int:
        """Reserve `count` consecutive keys and return the first."""
        first = self.generation + 1
        self.generation += count
        return first

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows in one statement."""
        if rows:
            self.connection.execute(table.insert(), list(rows))

    def audit(
        self,
        action: str,
        details: Mapping[str, Any],
        *,
        actor: str | None = None,
        purpose: str | None = None,
        case: str | None = None,
    ) -> int:
        """Append one audit row and return its number; it is written with the commit."""
        self._length += 1
        row = {
            "seq": self._length,
            "generation": self.draw(),
            "at": now(),
            "action": action,
            "actor": actor,
            "purpose": purpose,
            "case_id": case,
            "details": canonical(details),
        }
        digest = chain(self.head, row)
        _, rows = self._rows.setdefault("audit", (schema.audit, []))
        rows.append({**row, "previous": self.head, "hash": digest})
        self.head = digest
        return self._length

    def finish(self) -> None:
        """Write the audit rows and the new state; the caller commits."""
        for table, rows in self._rows.values():
            self.insert(table, rows)
        self.connection.execute(
            schema.state.update().values(generation=self.generation, audit_head=self.head)
        )


class Store:
    """A database of records on SQLite or PostgreSQL, created or migrated when opened.

    Parameters
    ----------
    location
        Path of a SQLite file, ``":memory:"`` (a temporary file that is gone when closed), or
        a ``sqlite:///`` or ``postgresql://`` URL.
    create
        Whether a missing SQLite file may be created.

    Raises
    ------
    DatabaseError
        It cannot be opened, is not a database, or was written by newer software.
    """

    def __init__(self, location: str | os.PathLike[str], *, create: bool = True) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.location = os.fspath(location)
        self.path: Path | None = None
        self._engine = self._connectable(create)
        try:
            self._prepare()
        except sa.exc.DBAPIError as error:
            self.close()
            raise self._explained(error) from error
        except BaseException:
            self.close()
            raise

    def _connectable(self, create: bool) -> sa.Engine:
        if self.location.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
            return self._postgres_engine()
        if self.location == ":memory:":
            self._temporary = tempfile.TemporaryDirectory(prefix="biomatch-")
            self.path = Path(self._temporary.name) / "memory.db"
        else:
            self.path = Path(self.location.removeprefix("sqlite:///")).expanduser()
        if "://" in str(self.path) or ":/" in self.location.removeprefix("sqlite:///")[:14]:
            raise DatabaseError(
                f"'{self.location}' is neither a file nor a sqlite:/// or postgresql:// URL"
            )
        if self.path.is_dir():
            raise DatabaseError(f"{self.path}: is a folder, not a database; name a file in it")
        if not create and self._temporary is None and not self.path.exists():
            raise DatabaseError(f"no database at {self.path}; create it by enrolling")
        if not self.path.parent.is_dir():
            raise DatabaseError(f"cannot create {self.path}: its folder does not exist")
        return self._sqlite_engine(self.path)

    def _postgres_engine(self) -> sa.Engine:
        try:
            url = sa.make_url("postgresql+psycopg:" + self.location.split(":", 1)[1])
        except (sa.exc.ArgumentError, ValueError) as error:
            # The address itself is not repeated: it may hold a password.
            raise DatabaseError(
                "the PostgreSQL address cannot be read; it looks like "
                "postgresql://user@host:5432/database"
            ) from error
        self.location = url.render_as_string(hide_password=True)
        patience = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
        try:
            engine = sa.create_engine(
                url, connect_args=patience, pool_size=8, max_overflow=32, pool_pre_ping=True
            )
        except ImportError as error:
            raise DatabaseError(
                "the PostgreSQL driver is not installed; install biomatch[postgres]"
            ) from error

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            limit = f"SET LOCAL lock_timeout = {round(BUSY_SECONDS * 1000)}"
            if connection.get_execution_options().get("writing", False):
                connection.exec_driver_sql(limit)

        return engine

    def _sqlite_engine(self, path: Path) -> sa.Engine:
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            pool_size=8,
            max_overflow=64,
        )
        durability = "OFF" if self._temporary else "FULL"

        @event.listens_for(engine, "connect")
        def configure(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None
            for pragma in (
                f"busy_timeout={BUSY_SECONDS * 1000}",
                "journal_mode=WAL",
                f"synchronous={durability}",
                "foreign_keys=ON",
                "secure_delete=ON",  # what is deleted is overwritten, not only forgotten
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writing = connection.get_execution_options().get("writing", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return engine

    def _prepare(self) -> None:
        with self._engine.connect() as connection:
            present = migrations.version(connection)
        if present == migrations.LATEST:
            return
        with self._writing() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7218446931)"))
            migrations.migrate(connection)

    def _writing(self) -> Connection:
        return self._engine.connect().execution_options(writing=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read transaction: all that is read in it is as of one moment.

        Raises
        ------
        DatabaseError
            The database cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":  # by itself: each statement of its own
                    connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
        except sa.exc.DBAPIError as error:
            raise self._explained(error) from error

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Open the one write transaction; everything or nothing is committed when it ends.

        Raises
        ------
        DatabaseError
            The database cannot be written (disk full, read-only, locked too long).
        """
        try:
            with self._writing() as connection, connection.begin():
                writer = self._writer(connection)
                yield writer
                writer.finish()
        except sa.exc.DBAPIError as error:
            raise self._explained(error, "; nothing of this step was kept") from error

    def _writer(self, connection: Connection) -> Writer:
        row = connection.execute(select(schema.state).with_for_update()).one()
        length = connection.execute(select(sa.func.max(schema.audit.c.seq))).scalar() or 0
        return Writer(connection, row.generation, row.audit_head, length)

    def _explained(self, error: sa.exc.DBAPIError, outcome: str = "") -> DatabaseError:
        cause = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "unknown"
        remedy = next((f"; {said}" for words, said in REMEDIES.items() if words in cause), "")
        return DatabaseError(f"database {self.location}: {cause}{outcome}{remedy}")

    def generation(self) -> int:
        """Last key of the last committed transaction."""
        with self.read() as connection:
            return int(connection.execute(select(schema.state.c.generation)).scalar_one())

    def uuid(self) -> str:
        """Identity of this database, drawn when it was created."""
        with self.read() as connection:
            return str(connection.execute(select(schema.state.c.uuid)).scalar_one())

    def check_audit(self) -> AuditReport:
        """Follow the audit chain from its first row."""
        with self.read() as connection:
            return check(connection)

    def close(self) -> None:
        """Close all connections; a temporary database disappears."""
        if hasattr(self, "_engine"):
            self._engine.dispose()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
