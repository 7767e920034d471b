"""Candidate reports, overlays and plots."""
