"""Which versions of the database servers and their clients the evidence was made with."""

import hashlib
from importlib import metadata
from pathlib import Path

from tests import couchdb_installed, dynamodb_installed, firestore_installed


def server_versions() -> list[tuple[str, str]]:
    """A (name, version) for each server and client; "none" for what is not here. Nothing that names a folder."""
    clients = [(name, metadata.version(name)) for name in ("couchdb", "google-cloud-firestore", "grpcio", "boto3")]
    return [
        ("Apache CouchDB", _couchdb()),
        ("Firestore emulator", _firestore()),
        ("DynamoDB Local", dynamodb_installed.VERSION if dynamodb_installed.look()[0] else "none"),
        *((f"{name} (client)", version) for name, version in clients),
    ]


def _couchdb() -> str:
    program = couchdb_installed.installed()
    if program is None:
        return "none"
    # A release holds its main application as lib/couch-<version>.
    found = sorted(Path(program).resolve().parent.parent.glob("lib/couch-[0-9]*"))
    return found[-1].name.removeprefix("couch-") if found else "unknown"


def _firestore() -> str:
    jar = firestore_installed.emulator_jar()
    if jar is None:
        return "none"
    # The jar does not tell its version; the SDK that it came with, and its digest, tell which one it is.
    sdk = jar.resolve().parent.parent.parent / "VERSION"
    told = f"of Google Cloud SDK {sdk.read_text().strip()}, " if sdk.exists() else ""
    with jar.open("rb") as file:
        return f"{told}SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
