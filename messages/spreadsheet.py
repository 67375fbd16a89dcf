"""Reports as CSV (RFC 4180), safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLUMNS = ("recipient_kind", "recipient_id", "state", "reason", "attempts", "activity_id", "due_at")
CSV = "text/csv; charset=utf-8; header=present"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def wants_csv(accept: str) -> bool:
    """Whether an `Accept` header names `text/csv` and does not refuse it."""
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        if media == "text/csv" and "q=0" not in parameters:
            return True
    return False


def write_csv(deliveries: Iterable[Mapping[str, Any]]) -> bytes:
    """Deliveries with a header row, in UTF-8."""
    recipients = ((one, one["recipient"]) for one in deliveries)
    return write_rows(
        COLUMNS, ((whom["kind"], whom["id"], *(one[name] for name in COLUMNS[2:])) for one, whom in recipients)
    )


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Rows of cells below a header row, in UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for cells in rows:
        writer.writerow([_safe(cell) for cell in cells])
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    """Keep a spreadsheet from taking a text for a formula: https://owasp.org/www-community/attacks/CSV_Injection."""
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
