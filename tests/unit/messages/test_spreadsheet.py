"""Deliveries as CSV: quoted as RFC 4180 has it, and no cell is a formula."""

import csv
import io

import pytest

from messages.spreadsheet import COLUMNS, wants_csv, write_csv


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/csv", True),
        ("application/json, text/csv;q=0.5", True),
        ("TEXT/CSV; charset=utf-8", True),
        ("text/csv;q=0", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_csv_is_wanted_where_it_is_named(accept: str, wanted: bool) -> None:
    assert wants_csv(accept) is wanted


def a_delivery(identifier: str) -> dict[str, object]:
    return {
        "recipient": {"kind": "chat", "id": identifier},
        "state": "sent",
        "reason": None,
        "attempts": 0,
        "activity_id": None,
        "due_at": None,
    }


@pytest.mark.parametrize(
    ("identifier", "cell"),
    [
        ("19:plain@thread.v2", "19:plain@thread.v2"),
        ('19:quote",comma\nline', '19:quote",comma\nline'),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
    ],
)
def test_cell_is_read_as_it_was_unless_it_would_be_a_formula(identifier: str, cell: str) -> None:
    text = write_csv([a_delivery(identifier)]).decode()

    header, row = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == COLUMNS
    assert row == ["chat", cell, "sent", "", "0", "", ""]
