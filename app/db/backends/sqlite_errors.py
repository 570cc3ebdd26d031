"""What SQLite and the file system report, in the contract's terms: translated here alone."""

import sqlite3
from typing import Final

from app.db.backends.sqlite_guard import GUARDED
from app.db.errors import DatabaseError, NotWritable, Unavailable

DRIVER_ERRORS: Final[tuple[type[Exception], ...]] = (sqlite3.Error, OSError)
_WRITE_ERRORS: Final = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE)


def translate(error: Exception) -> DatabaseError:
    """One of DRIVER_ERRORS as the contract's error, with a sentence for whoever has to act."""
    if isinstance(error, OSError):
        return NotWritable(
            "The database's folder cannot be written: check SQLITE_PATH and its rights.", retry_after=60.0
        )
    if GUARDED in str(error):
        return NotWritable("The data has moved to another database: this one takes no writes.", retry_after=60.0)
    code = getattr(error, "sqlite_errorcode", None) or 0
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable("The database is busy with another write.", retry_after=1.0)
        case sqlite3.SQLITE_FULL:
            return NotWritable("The disk is full: nothing can be saved until there is room.", retry_after=60.0)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return NotWritable("The database's file cannot be written: check its rights.", retry_after=60.0)
        case sqlite3.SQLITE_CANTOPEN:
            return Unavailable("The database's file cannot be opened: check SQLITE_PATH and its folder's rights.")
        case sqlite3.SQLITE_IOERR if code in _WRITE_ERRORS:
            return NotWritable("The disk refuses writes: it may be full or failing.", retry_after=60.0)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Unavailable("The database's file is damaged or no database: run 'wherry db doctor'.", retry_after=60)
    return Unavailable("The database failed to answer.", retry_after=5.0)
