"""The engine: segments, shortlist, exact comparison, ranked candidates."""
