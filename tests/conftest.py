"""Fixtures that all tests share; ../shared is research data that a user's clone lacks."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the research data, or a loud skip."""
    if not SHARED.is_dir():
        pytest.skip(f"research data not found at {SHARED}: this test did NOT run")
    return SHARED


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Folder of the publishable samples."""
    return ROOT / "fixtures"
