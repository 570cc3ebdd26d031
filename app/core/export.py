"""Tables as CSV that a spreadsheet may open without running anything in them."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would take it for a formula (OWASP: CSV injection).

    Also behind leading blanks and quotes, which some programs skip.
    """
    return f"'{text}" if text.startswith(_DANGEROUS) or text.lstrip(" \"'").startswith(_DANGEROUS) else text


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The file, line by line, with CR LF ends (RFC 4180) and a byte order mark, by which spreadsheets know UTF-8."""
    yield "\ufeff"
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    yield _written(writer, buffer, head)
    for row in rows:
        yield _written(writer, buffer, [harmless(cell) for cell in row])


def _written(writer: Any, buffer: io.StringIO, row: Sequence[str]) -> str:
    writer.writerow(row)
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
