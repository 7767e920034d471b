"""Batch work: enrol and search many files, go on after a kill, and say what became of each."""

from biomatch.jobs.casefile import conclude, export_case
from biomatch.jobs.demo import demo
from biomatch.jobs.enrolment import enrol
from biomatch.jobs.items import gather
from biomatch.jobs.outcome import Failure, Outcome, write_errors
from biomatch.jobs.renewal import re_enrol
from biomatch.jobs.searching import Reporting, search
from biomatch.jobs.verification import verify
from biomatch.jobs.warming import Warmth, warm_up

__all__ = [
    "Failure",
    "Outcome",
    "Reporting",
    "Warmth",
    "conclude",
    "demo",
    "enrol",
    "export_case",
    "gather",
    "re_enrol",
    "search",
    "verify",
    "warm_up",
    "write_errors",
]
