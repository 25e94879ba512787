"""One value of a table, read as a name or as a number."""

from __future__ import annotations

import math
from typing import Any


def is_null(value: Any) -> bool:
    """Tell whether a cell is empty."""
    return value is None or (isinstance(value, str) and not value.strip())


def number_of(value: Any) -> float | None:
    """Read a value as a number, also one that is not finite; None where it is none."""
    if isinstance(value, (list, dict, bytes, bool)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def name_of(value: Any) -> str | None:
    """Write one value as the name of a class, a group or a part."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value  # whole numbers beside a gap
    return None if is_null(value) else str(value).strip()
