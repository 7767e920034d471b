"""Values as JSON knows them: the one place where NaN, paths, enums and arrays are settled."""

import dataclasses
import math
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Turn a value into dicts, lists, strings, numbers, booleans and None.

    NaN and infinities become None, since JSON has no word for them; bytes become their length.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, bool | str) or value is None:
        return value
    return _number(value) if isinstance(value, int | float) else _other(value)


def _number(value: float) -> float | None:
    if isinstance(value, int):
        return int(value)
    return float(value) if math.isfinite(value) else None


def _other(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    return str(value)
