"""Numbered, frozen steps from an empty database to the present schema.

A step is never edited once released: what changes later is a new step. ``{blob}``,
``{float}`` and ``{true}``/``{false}`` are the only words that differ between SQLite and
PostgreSQL.
"""

import datetime as dt
import uuid

from sqlalchemy import Connection, inspect, select, text

from biomatch.database import schema
from biomatch.errors import DatabaseError

__all__ = ["LATEST", "migrate", "version"]

RECORDS = """
CREATE TABLE state (id INTEGER NOT NULL PRIMARY KEY, uuid TEXT NOT NULL,
  generation BIGINT NOT NULL, audit_head TEXT NOT NULL);
CREATE TABLE galleries (name TEXT NOT NULL PRIMARY KEY, owner TEXT, unsolved BOOLEAN NOT NULL,
  watched BOOLEAN NOT NULL, sharing TEXT NOT NULL, disclosure TEXT NOT NULL,
  alert_log10_lr {float} NOT NULL, hook TEXT, created_at TEXT NOT NULL,
  CHECK (sharing IN ('nobody', 'listed', 'all')), CHECK (disclosure IN ('hit', 'identity')));
CREATE TABLE gallery_listed (gallery TEXT NOT NULL REFERENCES galleries (name),
  owner TEXT NOT NULL, PRIMARY KEY (gallery, owner));
CREATE TABLE subjects (key BIGINT NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE,
  reference TEXT NOT NULL UNIQUE, owner TEXT, sex TEXT, year_of_birth INTEGER, category TEXT,
  expires_on TEXT, metadata TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE gallery_members (gallery TEXT NOT NULL REFERENCES galleries (name),
  subject_key BIGINT NOT NULL REFERENCES subjects (key), PRIMARY KEY (gallery, subject_key));
CREATE INDEX gallery_members_subject ON gallery_members (subject_key);
CREATE TABLE samples (key BIGINT NOT NULL PRIMARY KEY,
  subject_key BIGINT NOT NULL REFERENCES subjects (key), modality TEXT NOT NULL,
  gallery TEXT NOT NULL REFERENCES galleries (name), finger_position INTEGER NOT NULL,
  impression TEXT NOT NULL, quality {float}, ppi {float}, source TEXT, label TEXT,
  sha256 TEXT NOT NULL, part INTEGER NOT NULL, case_id TEXT, captured_on TEXT,
  created_at TEXT NOT NULL);
CREATE INDEX samples_subject ON samples (subject_key);
CREATE INDEX samples_sha256 ON samples (sha256);
CREATE TABLE images (sample_key BIGINT NOT NULL PRIMARY KEY REFERENCES samples (key),
  name TEXT NOT NULL, content {blob} NOT NULL);
CREATE TABLE templates (key BIGINT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL,
  sample_key BIGINT NOT NULL REFERENCES samples (key),
  subject_key BIGINT NOT NULL REFERENCES subjects (key), modality TEXT NOT NULL,
  model_id TEXT NOT NULL, blob {blob} NOT NULL);
CREATE UNIQUE INDEX templates_seq ON templates (modality, seq);
CREATE INDEX templates_subject ON templates (subject_key);
CREATE INDEX templates_sample ON templates (sample_key);
CREATE TABLE removals (seq BIGINT NOT NULL PRIMARY KEY, generation BIGINT NOT NULL,
  modality TEXT NOT NULL);
CREATE INDEX removals_generation ON removals (modality, generation);
CREATE TABLE audit (seq BIGINT NOT NULL PRIMARY KEY, generation BIGINT NOT NULL,
  at TEXT NOT NULL, action TEXT NOT NULL, actor TEXT, purpose TEXT, case_id TEXT,
  details TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
INSERT INTO galleries VALUES
  ('main', NULL, {false}, {false}, 'nobody', 'identity', 2.0, NULL, '1970-01-01T00:00:00Z');
"""

CASEWORK = """
CREATE TABLE cases (id TEXT NOT NULL PRIMARY KEY, title TEXT, status TEXT NOT NULL, owner TEXT,
  metadata TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE searches (key BIGINT NOT NULL PRIMARY KEY, at TEXT NOT NULL, actor TEXT,
  purpose TEXT, case_id TEXT, as_owner TEXT, modality TEXT NOT NULL, probe TEXT NOT NULL,
  probe_sha256 TEXT, parameters TEXT NOT NULL, generation BIGINT NOT NULL,
  coverage TEXT NOT NULL, complete BOOLEAN NOT NULL, calibration TEXT NOT NULL,
  versions TEXT NOT NULL);
CREATE INDEX searches_case ON searches (case_id);
CREATE TABLE candidates (search_key BIGINT NOT NULL REFERENCES searches (key),
  rank INTEGER NOT NULL, subject TEXT NOT NULL, sample TEXT NOT NULL, owner TEXT,
  finger_position INTEGER NOT NULL, score {float} NOT NULL, log10_lr {float}, fmr {float},
  expected_false {float}, parts TEXT NOT NULL, PRIMARY KEY (search_key, rank));
CREATE TABLE decisions (key BIGINT NOT NULL PRIMARY KEY, at TEXT NOT NULL,
  case_id TEXT NOT NULL, search_key BIGINT, subject TEXT NOT NULL, conclusion TEXT NOT NULL,
  examiner TEXT NOT NULL, reason TEXT, verifies BIGINT REFERENCES decisions (key),
  CHECK (conclusion IN ('identification', 'inconclusive', 'exclusion')));
CREATE INDEX decisions_case ON decisions (case_id);
CREATE TABLE alerts (key BIGINT NOT NULL PRIMARY KEY, at TEXT NOT NULL, gallery TEXT NOT NULL,
  modality TEXT NOT NULL, subject TEXT NOT NULL, sample TEXT NOT NULL, unsolved TEXT NOT NULL,
  case_id TEXT, score {float} NOT NULL, log10_lr {float} NOT NULL, hook_result TEXT);
"""

JOBS = """
CREATE TABLE jobs (key BIGINT NOT NULL PRIMARY KEY, kind TEXT NOT NULL,
  parameters TEXT NOT NULL, position BIGINT NOT NULL, upto BIGINT NOT NULL,
  done BOOLEAN NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE job_pairs (job_key BIGINT NOT NULL REFERENCES jobs (key), subject TEXT NOT NULL,
  other TEXT NOT NULL, score {float} NOT NULL, log10_lr {float} NOT NULL,
  PRIMARY KEY (job_key, subject, other));
"""

STEPS = {1: ("records", RECORDS), 2: ("casework", CASEWORK), 3: ("jobs", JOBS)}

LATEST = max(STEPS)
"""The schema version that this software reads and writes."""

WORDS = {
    "sqlite": {"blob": "BLOB", "float": "FLOAT", "true": "1", "false": "0"},
    "postgresql": {
        "blob": "BYTEA",
        "float": "DOUBLE PRECISION",
        "true": "TRUE",
        "false": "FALSE",
    },
}


def version(connection: Connection) -> int:
    """Return the schema version of the database, 0 when it is empty."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    found = connection.execute(
        select(schema.schema_version.c.version)
        .order_by(schema.schema_version.c.version.desc())
        .limit(1)
    ).scalar()
    return int(found or 0)


def migrate(connection: Connection, *, upto: int = LATEST) -> None:
    """Bring the database to schema `upto`, inside the caller's transaction.

    Raises
    ------
    DatabaseError
        The database was written by newer software.
    """
    present = version(connection)
    if present > LATEST:
        raise DatabaseError(
            f"the database has schema {present}, this software knows up to {LATEST}; "
            "upgrade biomatch"
        )
    if present == 0:
        connection.execute(
            text(
                "CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY, "
                "name TEXT NOT NULL, applied_at TEXT NOT NULL)"
            )
        )
    for number in range(present + 1, upto + 1):
        _apply(connection, number)


def _apply(connection: Connection, number: int) -> None:
    name, script = STEPS[number]
    filled = script.format(**WORDS[connection.dialect.name])
    for statement in filled.split(";\n"):
        if statement.strip():
            connection.execute(text(statement))
    if number == 1:
        connection.execute(
            schema.state.insert().values(
                id=1, uuid=uuid.uuid4().hex, generation=0, audit_head="0" * 64
            )
        )
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    connection.execute(
        schema.schema_version.insert().values(version=number, name=name, applied_at=now)
    )
