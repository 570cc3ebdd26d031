"""Signed report files: what a verification found, so that nobody can change it afterwards unnoticed.

A file is one JSON object: the ``report``, and ``signature``, the HMAC-SHA256 of the report's canonical JSON under a key
derived from SECRET_KEY. Whoever has the SECRET_KEY, or had it when it is among the fallbacks, can check it.
"""

import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import orjson

from app.db.documents import canonical_json
from app.db.transfer.errors import TransferRefused

_PURPOSE: Final = b"wherry signed report v1"


class ReportUnsound(TransferRefused):
    """A report file that is not as it was signed."""

    title = "This report is not sound"


def write_report(path: Path, report: dict[str, Any], secret_key: str) -> None:
    """Write a signed report, in one go and for its owner only; an earlier file is replaced.

    TransferRefused if it cannot be written, or if there is no key.
    """
    if not secret_key:
        raise TransferRefused("A report is signed with SECRET_KEY, and there is none.")
    signed = {"report": report, "signature": _signature(report, secret_key)}
    draft = path.with_name(f".{path.name}.{token_hex(6)}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(orjson.dumps(signed, option=orjson.OPT_INDENT_2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise TransferRefused(f"The report {path} cannot be written: {error.strerror}.") from error


def read_report(path: Path, secret_keys: Sequence[str]) -> dict[str, Any]:
    """The report of a file whose signature one of the keys made; ReportUnsound otherwise, or if it cannot be read."""
    try:
        signed = orjson.loads(path.read_bytes())
        report, signature = signed["report"], signed["signature"]
        good = any(hmac.compare_digest(str(signature), _signature(report, key)) for key in secret_keys if key)
    except OSError as error:
        raise ReportUnsound(f"The report {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportUnsound(f"{path} is no signed report.") from error
    if not good:
        raise ReportUnsound(f"The signature of {path} is not right: it was changed, or signed with another SECRET_KEY.")
    return dict(report)


def _signature(report: dict[str, Any], secret_key: str) -> str:
    key = hmac.digest(secret_key.encode(), _PURPOSE, "sha256")
    return hmac.digest(key, canonical_json(report), "sha256").hex()
