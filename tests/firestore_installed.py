"""Whether the tests can have a Firestore here: the one that TEST_FIRESTORE_URL names, or Google's emulator."""

import os
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

REMEDY = (
    "install Java and the gcloud component cloud-firestore-emulator, or name its jar in FIRESTORE_EMULATOR_JAR, or a"
    " server in TEST_FIRESTORE_URL (firestore://project/prefix?emulator=host:port)"
)
_BELOW_THE_SDK = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_SDK_PLACES = ("/usr/lib/google-cloud-sdk", "/opt/google-cloud-sdk", "~/google-cloud-sdk")


def emulator_jar() -> Path | None:
    """The emulator's jar: the one that FIRESTORE_EMULATOR_JAR names, or that of an installed Google Cloud SDK."""
    named = os.environ.get("FIRESTORE_EMULATOR_JAR")
    if named:
        return Path(named) if Path(named).is_file() else None
    gcloud = shutil.which("gcloud")
    sdks = [Path(place).expanduser() for place in _SDK_PLACES]
    if gcloud:
        sdks.insert(0, Path(gcloud).resolve().parent.parent)
    return next((jar for sdk in sdks if (jar := sdk / _BELOW_THE_SDK).is_file()), None)


def look() -> tuple[bool, str]:
    """Whether tests can have a Firestore, and which one, or what is missing."""
    url = os.environ.get("TEST_FIRESTORE_URL")
    if url:
        parts = urlsplit(url)
        emulator = parse_qs(parts.query).get("emulator", [""])[-1]
        return True, f"{parts.hostname} at {emulator or 'Google'}"
    jar = emulator_jar()
    if jar is None:
        return False, "no Firestore emulator is installed, and TEST_FIRESTORE_URL is not set"
    if shutil.which("java") is None:
        return False, "the Firestore emulator is here, but Java is not"
    return True, str(jar)
