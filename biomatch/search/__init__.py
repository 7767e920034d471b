"""The engine: segments, shortlist, exact comparison, ranked candidates."""

from biomatch.search.database import Database, open  # noqa: A004 - the public name
from biomatch.search.filters import Filters
from biomatch.search.records import Enrolled, Rejected, SampleRecord, Subject

__all__ = ["Database", "Enrolled", "Filters", "Rejected", "SampleRecord", "Subject", "open"]
