"""The tables, as SQLAlchemy Core sees them. `migrations` creates them; a test keeps both equal.

Every key is drawn from one counter (`state.generation`), so keys are never used twice and
"newer than" is one integer comparison across all tables.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

__all__ = [
    "alerts",
    "audit",
    "candidates",
    "cases",
    "decisions",
    "galleries",
    "images",
    "jobs",
    "listed",
    "members",
    "metadata",
    "pairs",
    "removals",
    "samples",
    "schema_version",
    "searches",
    "state",
    "subjects",
    "templates",
]

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("applied_at", Text, nullable=False),
)

state = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uuid", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("audit_head", Text, nullable=False),
)

subjects = Table(
    "subjects",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("reference", Text, nullable=False, unique=True),
    Column("owner", Text),
    Column("sex", Text),
    Column("year_of_birth", Integer),
    Column("category", Text),
    Column("expires_on", Text),
    Column("metadata", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("subject_key", BigInteger, ForeignKey("subjects.key"), nullable=False),
    Column("modality", Text, nullable=False),
    Column("gallery", Text, ForeignKey("galleries.name"), nullable=False),
    Column("finger_position", Integer, nullable=False),
    Column("impression", Text, nullable=False),
    Column("quality", Float),
    Column("ppi", Float),
    Column("source", Text),
    Column("label", Text),
    Column("sha256", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("case_id", Text),
    Column("captured_on", Text),
    Column("created_at", Text, nullable=False),
    Index("samples_subject", "subject_key"),
    Index("samples_sha256", "sha256"),
)

images = Table(
    "images",
    metadata,
    Column("sample_key", BigInteger, ForeignKey("samples.key"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("sample_key", BigInteger, ForeignKey("samples.key"), nullable=False),
    Column("subject_key", BigInteger, ForeignKey("subjects.key"), nullable=False),
    Column("modality", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Index("templates_seq", "modality", "seq", unique=True),
    Index("templates_subject", "subject_key"),
    Index("templates_sample", "sample_key"),
)

removals = Table(
    "removals",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("modality", Text, nullable=False),
    Index("removals_generation", "modality", "generation"),
)

galleries = Table(
    "galleries",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("unsolved", Boolean, nullable=False),
    Column("watched", Boolean, nullable=False),
    Column("sharing", Text, nullable=False),
    Column("disclosure", Text, nullable=False),
    Column("alert_log10_lr", Float, nullable=False),
    Column("hook", Text),
    Column("created_at", Text, nullable=False),
)

listed = Table(
    "gallery_listed",
    metadata,
    Column("gallery", Text, ForeignKey("galleries.name"), primary_key=True),
    Column("owner", Text, primary_key=True),
)

members = Table(
    "gallery_members",
    metadata,
    Column("gallery", Text, ForeignKey("galleries.name"), primary_key=True),
    Column("subject_key", BigInteger, ForeignKey("subjects.key"), primary_key=True),
    Index("gallery_members_subject", "subject_key"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("at", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text),
    Column("purpose", Text),
    Column("case_id", Text),
    Column("details", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text),
    Column("status", Text, nullable=False),
    Column("owner", Text),
    Column("metadata", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

searches = Table(
    "searches",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text),
    Column("purpose", Text),
    Column("case_id", Text),
    Column("as_owner", Text),
    Column("modality", Text, nullable=False),
    Column("probe", Text, nullable=False),
    Column("probe_sha256", Text),
    Column("parameters", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("coverage", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("calibration", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Index("searches_case", "case_id"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("search_key", BigInteger, ForeignKey("searches.key"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("sample", Text, nullable=False),
    Column("owner", Text),
    Column("finger_position", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("log10_lr", Float),
    Column("fmr", Float),
    Column("expected_false", Float),
    Column("parts", Text, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("case_id", Text, nullable=False),
    Column("search_key", BigInteger),
    Column("subject", Text, nullable=False),
    Column("conclusion", Text, nullable=False),
    Column("examiner", Text, nullable=False),
    Column("reason", Text),
    Column("verifies", BigInteger, ForeignKey("decisions.key")),
    Index("decisions_case", "case_id"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("gallery", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sample", Text, nullable=False),
    Column("unsolved", Text, nullable=False),
    Column("case_id", Text),
    Column("score", Float, nullable=False),
    Column("log10_lr", Float, nullable=False),
    Column("hook_result", Text),
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
)

pairs = Table(
    "job_pairs",
    metadata,
    Column("job_key", BigInteger, ForeignKey("jobs.key"), primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("other", Text, primary_key=True),
    Column("score", Float, nullable=False),
    Column("log10_lr", Float, nullable=False),
)
