"""Where a scan's page ends, and how far the scan is, as text: the last document's tenant ("" or the backend's own for
the installation) and its id."""

from typing import Final

import orjson

from app.db.errors import InvalidQuery

SCAN_BYTES: Final = 8_000_000
"""Behind so many bytes of documents a page ends, whatever was asked for: nobody knows before how large they are."""


def sealed(tenant: str, id: str) -> str:
    """For ``ScanPage.after``."""
    return orjson.dumps([tenant, id]).decode()


def opened(after: str) -> tuple[str, str]:
    """What was sealed. InvalidQuery for any other text."""
    try:
        place = orjson.loads(after)
    except ValueError as error:
        raise no_place() from error
    if type(place) is not list or len(place) != 2 or not all(type(part) is str for part in place):
        raise no_place()
    return place[0], place[1]


def no_place() -> InvalidQuery:
    """The refusal of a text that no scan has given."""
    return InvalidQuery("not a place in this scan", name="after")
