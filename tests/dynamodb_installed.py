"""Whether the tests can have a DynamoDB here: the one that TEST_DYNAMODB_URL names, or Amazon's DynamoDB Local.

DynamoDB Local is a Java program: a folder of its jars that DYNAMODB_LOCAL_HOME names, or that Maven brings into the
user's cache folder at the first use.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from tests.cache import bring, cache_folder

VERSION = "2.6.1"
REMEDY = (
    "install Java 17 and Maven, or put DynamoDB Local's jars into a folder that DYNAMODB_LOCAL_HOME names, or name a"
    " server in TEST_DYNAMODB_URL (dynamodb://key:secret@region/any?endpoint=http://host:8000)"
)
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>wherry</groupId> <artifactId>test-server</artifactId> <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId> <artifactId>DynamoDBLocal</artifactId> <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def _cached() -> Path:
    return cache_folder(f"dynamodb-local-{VERSION}")


def home() -> Path | None:
    """The folder of an installed DynamoDB Local."""
    named = os.environ.get("DYNAMODB_LOCAL_HOME")
    for folder in (Path(named) if named else None, _cached()):
        if folder is not None and jars_of(folder):
            return folder
    return None


def jars_of(folder: Path) -> list[Path]:
    """The folders of a DynamoDB Local's jars, as Java's class path needs them; empty if it is none."""
    if any(folder.glob("DynamoDBLocal*.jar")):
        return [path for path in (folder, folder / "DynamoDBLocal_lib") if path.is_dir()]
    return [folder / "lib"] if any(folder.glob("lib/DynamoDBLocal*.jar")) else []


def look() -> tuple[bool, str]:
    """Whether tests can have a DynamoDB, and which one, or what is missing."""
    url = os.environ.get("TEST_DYNAMODB_URL")
    if url:
        return True, urlsplit(url)._replace(netloc=str(urlsplit(url).hostname)).geturl()
    if shutil.which("java") is None:
        return False, "Java is not installed, and TEST_DYNAMODB_URL is not set"
    folder = home()
    if folder is not None:
        return True, f"DynamoDB Local in {folder}"
    if shutil.which("mvn") is None:
        return False, "DynamoDB Local is not here, and Maven is not installed"
    return True, f"DynamoDB Local {VERSION}, which Maven is to bring"


def fetch() -> str:
    """Let Maven bring DynamoDB Local, if it is not here; "" or why that failed."""
    if home() is not None:
        return ""
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"]
    return bring(_cached(), ("pom.xml", _POM), command, jars_of)
