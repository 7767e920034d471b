"""Migrations, transactions, and the audit chain."""

import socket
import sqlite3
import time
import uuid
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import create_engine, inspect

from biomatch.database import Store, schema
from biomatch.database.audit import chain
from biomatch.database.migrations import LATEST, STEPS, migrate, version
from biomatch.errors import DatabaseError


def columns(engine: sa.Engine) -> dict[str, set[tuple[str, bool]]]:
    found = inspect(engine)
    return {
        table: {(c["name"], bool(c["nullable"])) for c in found.get_columns(table)}
        for table in found.get_table_names()
    }


def expected() -> dict[str, set[tuple[str, bool]]]:
    return {
        table.name: {(c.name, bool(c.nullable)) for c in table.columns}
        for table in schema.metadata.sorted_tables
    }


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, sa.Engine]:
    """Location of an empty database on each backend, and an engine of its own."""
    if request.param == "sqlite":
        path = tmp_path / "old.db"
        return str(path), create_engine(f"sqlite:///{path}")
    server, name = request.getfixturevalue("postgres_server"), f"m{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = f"{server}/{name}"
    return url, create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


@pytest.mark.parametrize("start", range(LATEST + 1))
def test_every_earlier_schema_is_brought_up_to_date(empty: tuple[str, sa.Engine], start: int):
    location, engine = empty
    with engine.begin() as connection:
        migrate(connection, upto=start) if start else None
        assert version(connection) == start
        if start:
            connection.execute(
                schema.subjects.insert().values(
                    key=1, id="old", reference="r", metadata="{}", created_at="2020"
                )
            )
    with Store(location) as store, store.read() as connection:
        assert version(connection) == LATEST
        kept = connection.execute(sa.select(schema.subjects.c.id)).scalars().all()
        assert kept == (["old"] if start else [])
    assert columns(engine) == expected()
    engine.dispose()


def test_a_newer_database_is_left_alone(tmp_path: Path):
    path = tmp_path / "new.db"
    with Store(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(f"INSERT INTO schema_version VALUES ({LATEST + 1}, 'x', 'y')")
    with pytest.raises(DatabaseError, match="upgrade biomatch"):
        Store(path)
    assert set(STEPS) == set(range(1, LATEST + 1))


@pytest.mark.parametrize("rest", ["//u:secret@:::", "//u:secret@[::1", "//u:secret@h:port/x"])
def test_an_address_that_cannot_be_read_is_refused_without_its_password(rest: str):
    with pytest.raises(DatabaseError, match=r"postgresql://user@host:5432/database") as caught:
        Store(f"postgresql:{rest}")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_the_password():
    with pytest.raises(DatabaseError, match=r"//u:\*\*\*@127\.0\.0\.1:1/x: .*refused") as caught:
        Store("postgresql://u:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
    assert "nothing of this step" not in str(caught.value)


def test_a_folder_is_no_database(tmp_path: Path):
    for location in (str(tmp_path), f"sqlite:///{tmp_path}"):
        with pytest.raises(DatabaseError, match="is a folder"):
            Store(location)


def test_a_locked_database_is_read_and_not_written(empty: tuple[str, sa.Engine], monkeypatch):
    monkeypatch.setattr("biomatch.database.store.BUSY_SECONDS", 0.2)
    location, engine = empty
    hold = (
        "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "SELECT * FROM state FOR UPDATE"
    )
    with Store(location) as store:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            if engine.dialect.name == "postgresql":
                other.exec_driver_sql("BEGIN")
            other.exec_driver_sql(hold)
            words = r"lock.*; nothing of this step was kept; .*again"
            with pytest.raises(DatabaseError, match=words), store.write() as writer:
                writer.audit("test", {})
            assert store.check_audit().rows == 0
            other.exec_driver_sql("ROLLBACK")
        engine.dispose()
        with store.write() as writer:
            writer.audit("test", {})
        assert store.check_audit().rows == 1


def test_what_is_read_together_is_of_one_moment(empty: tuple[str, sa.Engine]):
    """Else rows written while the audit trail is checked would look like a broken trail."""
    location, _ = empty
    with Store(location) as store:
        query = sa.select(schema.state.c.generation)
        with store.read() as connection:
            before = connection.execute(query).scalar_one()
            with store.write() as writer:
                writer.audit("test", {})
            assert connection.execute(query).scalar_one() == before
        assert store.generation() == before + 1


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("biomatch.database.store.CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(DatabaseError, match="timeout"):
            Store(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x")
        assert time.monotonic() - start < 60


def test_a_cut_off_database_is_refused(tmp_path: Path):
    path = tmp_path / "a.db"
    with Store(path) as store, store.write() as writer:
        writer.audit("test", {"text": "x" * 100_000})
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(DatabaseError, match="malformed; restore a backup"):
        Store(path).check_audit()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path):
    with Store(tmp_path / "a.db") as store:
        before = store.generation()

        def fail() -> None:
            with store.write() as writer:
                writer.audit("x", {})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert store.generation() == before
        assert store.check_audit().rows == 0


def test_keys_are_never_used_twice(tmp_path: Path):
    with Store(tmp_path / "a.db") as store:
        drawn = []
        for _ in range(5):
            with store.write() as writer:
                drawn += [writer.draw(), writer.draw(3), writer.draw()]
        assert drawn == sorted(set(drawn))
        assert store.generation() == 25


@pytest.fixture
def chained(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with Store(path) as store:
        for i in range(9):
            with store.write() as writer:
                writer.audit("step", {"number": i}, actor="ana", purpose="test", case="K")
        report = store.check_audit()
        assert report.intact
        assert report.rows == 9
    return path


@pytest.mark.parametrize(
    ("tampering", "broken", "cause"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 4", 4, "was changed"),
        ("UPDATE audit SET details = '{}' WHERE seq = 1", 1, "was changed"),
        ("DELETE FROM audit WHERE seq = 6", 6, "is missing"),
        ("DELETE FROM audit WHERE seq = 9", 9, "last rows are missing"),
        ("UPDATE audit SET hash = previous WHERE seq = 5", 5, "was changed"),
        ("UPDATE audit SET at = '2000', hash = 'x' WHERE seq = 2", 2, "was changed"),
        ("UPDATE audit SET previous = 'x' WHERE seq = 3", 3, "does not follow"),
        (
            """UPDATE audit SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4);
            UPDATE audit SET seq = -seq WHERE seq < 0""",
            3,
            "does not follow",
        ),
    ],
)
def test_tampering_is_found_at_the_first_broken_row(chained, tampering, broken, cause):
    with sqlite3.connect(chained) as connection:
        connection.executescript(tampering)
    with Store(chained) as store:
        report = store.check_audit()
    assert report.broken == broken
    assert cause in report.cause


def test_a_row_added_after_the_head_is_named(chained):
    """Rightly chained as it is: the head kept beside the trail does not know it."""
    with sqlite3.connect(chained) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM audit WHERE seq = 9").fetchone())
        row |= {"seq": 10, "previous": row["hash"]}
        row["hash"] = chain(row["previous"], row)
        names = ", ".join(f":{name}" for name in row)
        connection.execute(f"INSERT INTO audit ({', '.join(row)}) VALUES ({names})", row)
    with Store(chained) as store:
        report = store.check_audit()
    assert report.broken == 10
    assert "row 10 was added" in report.cause
