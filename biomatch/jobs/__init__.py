"""Batch work: enrol and search many files, go on after a kill, and say what became of each."""

from biomatch.jobs.enrolment import enrol
from biomatch.jobs.outcome import Failure, Outcome, write_errors
from biomatch.jobs.searching import search

__all__ = ["Failure", "Outcome", "enrol", "search", "write_errors"]
