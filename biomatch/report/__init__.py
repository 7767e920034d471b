"""Candidate reports: one HTML page a search, PNG overlays, and JSON with the same content."""

from biomatch.report.html import page, write, write_index
from biomatch.report.plain import plain
from biomatch.report.sheet import Decision, Line, Sheet, sheet

__all__ = ["Decision", "Line", "Sheet", "page", "plain", "sheet", "write", "write_index"]
