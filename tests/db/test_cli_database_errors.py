"""What the command line says when the database refuses, is not there, or is another one: a sentence, and status 1.

Each trouble is met by a URL and by settings, and by ``doctor``, ``prepare`` and ``get``.
"""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import pytest
from click.testing import CliRunner, Result
from flask.cli import ScriptInfo

from app import create_app
from app.cli import cli
from app.db.backends import firestore_client
from app.db.backends.firestore_messages import grpc
from tests.db.couchdb_fixtures import backend as couchdb
from tests.db.couchdb_fixtures import couchdb_url
from tests.db.couchdb_server import CouchBackend
from tests.db.dynamodb_fixtures import backend as dynamodb
from tests.db.dynamodb_fixtures import dynamodb_url
from tests.db.dynamodb_proxy import answer
from tests.db.dynamodb_server import DynamoBackend
from tests.db.refusing_servers import refusing_dynamodb, refusing_firestore, self_signed, service_account, tls_server
from tests.db.server_process import free_port

__all__ = ["couchdb", "couchdb_url", "dynamodb", "dynamodb_url"]

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "s3cret-word"
COMMANDS = ("doctor", "prepare", "get users x")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB's settings have no place for credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def run(command: str, settings: dict[str, Any] | None = None) -> Result:
    """``wherry db`` and a command, in an application with these settings."""
    given = {"ENV": "testing", **(settings or {})}
    return CliRunner().invoke(cli, ["db", *command.split()], obj=ScriptInfo(create_app=lambda: create_app(given)))


def settings_of(url: str) -> dict[str, Any]:
    """What a URL says, as settings."""
    parts = urlsplit(url)
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    if parts.scheme == "couchdb":
        options = {key: value for key, value in options.items() if key != "tls"}
        asked = "?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else ""
        return {
            "DATABASE_PROVIDER": "couchdb",
            "COUCHDB_URL": f"{'https' if 'tls' in parts.query else 'http'}://{parts.hostname}:{parts.port}{asked}",
            "COUCHDB_USER": unquote(parts.username or ""),
            "COUCHDB_PASSWORD": unquote(parts.password or ""),
            "COUCHDB_PREFIX": parts.path.strip("/"),
        }
    name = parts.scheme.upper()
    first = {"DYNAMODB_REGION": parts.hostname} if parts.scheme == "dynamodb" else {"FIRESTORE_PROJECT": parts.netloc}
    others = {f"{name}_{key.upper()}": value for key, value in options.items()}
    return {"DATABASE_PROVIDER": parts.scheme, f"{name}_PREFIX": parts.path.strip("/"), **first, **others}


def refused(result: Result, *words: str) -> None:
    """Status 1, and one sentence with these words alone."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert [word for word in words if word not in result.stderr] == [], result.stderr
    assert SECRET not in result.stderr


def unwell(result: Result, *words: str) -> None:
    """Status 1, and a finding that failed with these words, in its detail or its remedy."""
    assert result.exit_code == 1, result.output
    assert result.stderr == ""
    failed = result.stdout[result.stdout.index("FAIL") :]
    assert [word for word in words if word not in failed] == [], result.stdout
    assert SECRET not in result.stdout


def troubled(url: str, *words: str, commands: tuple[str, ...] = COMMANDS) -> None:
    """Every command fails with these words, by the URL and by settings that say the same."""
    for command in commands:
        check = unwell if command == "doctor" else refused
        check(run(f"{command} --url {url}"), *words)
        check(run(command, settings_of(url)), *words)


def amazons(code: str, message: str) -> bytes:
    """An error as Amazon's documentation of DynamoDB's protocol shows it."""
    return answer(400, orjson.dumps({"__type": f"com.amazon.coral.service#{code}", "Message": message}))


class TestCouchDb:
    def test_a_wrong_password(self, couchdb: CouchBackend) -> None:
        address = couchdb.url.rpartition("@")[2]
        url = f"couchdb://nobody-{couchdb.prefix}:{SECRET}@{address}/{couchdb.prefix}"
        troubled(url, "COUCHDB_USER", "COUCHDB_PASSWORD")

    def test_a_user_without_the_right(self, couchdb: CouchBackend) -> None:
        with closing(couchdb.open(create_app({"ENV": "testing"}).extensions["database"].schema)) as administrators:
            administrators.prepare()
        troubled(guest(couchdb), "COUCHDB_USER", "lacks a right")

    def test_a_user_who_may_not_make_databases_and_finds_none(self, couchdb: CouchBackend) -> None:
        url = guest(couchdb)
        troubled(url, "COUCHDB_USER", "lacks a right", commands=("prepare",))
        troubled(url, "wherry db prepare", "COUCHDB_PREFIX", commands=("doctor", "get users x"))

    @pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
    def test_an_unreachable_host(self, host: str) -> None:
        troubled(f"couchdb://ann:{SECRET}@{host}:{free_port()}/wherry", "COUCHDB_URL", "cannot be reached")

    def test_a_certificate_that_nobody_vouches_for_unless_it_is_named(self, tmp_path: Path) -> None:
        certificate = self_signed(tmp_path)
        unauthorised = b'HTTP/1.1 401 X\r\nContent-Length: 24\r\n\r\n{"error":"unauthorized"}'
        with tls_server(certificate, unauthorised) as port:
            url = f"couchdb://ann:{SECRET}@localhost:{port}/wherry"
            troubled(f"{url}?tls=1", "TLS", "certificate", "COUCHDB_URL")
            troubled(f"{url}?tls=1&ca={certificate}", "COUCHDB_PASSWORD", commands=("get users x",))
            troubled(url, "COUCHDB_URL")  # plain text to a port that speaks TLS

    def test_a_server_that_speaks_no_tls(self, couchdb: CouchBackend) -> None:
        troubled(f"{couchdb.url}/{couchdb.prefix}?tls=1", "TLS", "COUCHDB_URL")


def guest(couchdb: CouchBackend) -> str:
    """The URL with a user of this CouchDB's who has no rights."""
    session = couchdb.session()
    session.request("PUT", "/_users")
    name = f"guest-{couchdb.prefix}"
    user = {"name": name, "password": SECRET, "roles": [], "type": "user"}
    session.json("PUT", f"/_users/org.couchdb.user%3A{name}", user)
    session.close()
    return f"couchdb://{name}:{SECRET}@{couchdb.url.rpartition('@')[2]}/{couchdb.prefix}"


class TestDynamoDb:
    @pytest.mark.parametrize(
        ("code", "message", "words"),
        [
            (
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
                " Access Key and signing method. Consult the service documentation for details.",
                ("AWS_ACCESS_KEY_ID", "secret"),
            ),
            (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
                ("AWS_ACCESS_KEY_ID", "DYNAMODB_REGION"),
            ),
            (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                ("AWS_ACCESS_KEY_ID", "the role"),
            ),
            (
                "AccessDeniedException",
                "User: arn:aws:iam::123456789012:user/wherry is not authorized to perform: dynamodb:Scan on resource:"
                " arn:aws:dynamodb:eu-central-1:123456789012:table/wherry--collections because no identity-based policy"
                " allows the dynamodb:Scan action",
                ("dynamodb:Scan", "docs/backends/dynamodb.md"),
            ),
            (
                "InvalidSignatureException",
                "Credential should be scoped to a valid region, not 'eu-central-1'. ",
                ("DYNAMODB_REGION", "DYNAMODB_ENDPOINT"),
            ),
        ],
        ids=["wrong secret", "unknown key or region not enabled", "expired", "missing right", "another region's"],
    )
    def test_amazons_refusals_in_their_documented_form(self, code: str, message: str, words: tuple[str, ...]) -> None:
        with refusing_dynamodb(lambda operation, body: amazons(code, message)) as endpoint:
            troubled(f"dynamodb://eu-central-1/wherry?endpoint={endpoint}", *words)

    def test_the_right_to_make_tables_is_named(self, dynamodb: DynamoBackend) -> None:
        denied = amazons(
            "AccessDeniedException", "User: x is not authorized to perform: dynamodb:CreateTable on resource"
        )
        port = int(dynamodb.url.rpartition(":")[2])
        with refusing_dynamodb(lambda operation, _: denied if operation == "CreateTable" else "pass", port) as endpoint:
            url = f"dynamodb://eu-central-1/{dynamodb.prefix}?endpoint={endpoint}"
            troubled(url, "dynamodb:CreateTable", commands=("prepare",))
            troubled(url, "wherry db prepare", commands=("doctor", "get users x"))

    def test_a_region_without_our_tables_names_the_settings(
        self, dynamodb: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = urlsplit(dynamodb.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", str(parts.username))
        right = f"dynamodb://{parts.hostname}/{dynamodb.prefix}?{parts.query}"
        assert run("prepare", settings_of(right)).exit_code == 0
        assert run("doctor", settings_of(right)).exit_code == 0
        wrong = right.replace(str(parts.hostname), "us-west-2")
        troubled(wrong, "DYNAMODB_REGION", "DYNAMODB_PREFIX", commands=("doctor", "get users x"))

    def test_a_region_that_is_none(self) -> None:
        troubled("dynamodb://eu_central_1/wherry", "DYNAMODB_REGION", "eu_central_1")

    @pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
    def test_an_unreachable_host(self, host: str) -> None:
        url = f"dynamodb://eu-central-1/wherry?endpoint=http://{host}:{free_port()}"
        troubled(url, "DYNAMODB_ENDPOINT", "cannot be reached")

    def test_a_certificate_that_nobody_vouches_for_unless_it_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = self_signed(tmp_path)
        with tls_server(certificate, amazons("ExpiredTokenException", "")) as port:
            url = f"dynamodb://eu-central-1/wherry?endpoint=https://localhost:{port}"
            troubled(url, "TLS", "DYNAMODB_ENDPOINT", "AWS_CA_BUNDLE")
            monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
            troubled(url, "AWS_ACCESS_KEY_ID", commands=("get users x",))
            troubled(url.replace("https:", "http:"), "DYNAMODB_ENDPOINT", commands=("get users x",))

    def test_no_credentials_at_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        troubled(f"dynamodb://eu-central-1/wherry?endpoint=http://127.0.0.1:{free_port()}", "AWS_ACCESS_KEY_ID")


class TestFirestore:
    @pytest.mark.parametrize(
        ("status", "details", "words"),
        [
            (
                grpc.StatusCode.UNAUTHENTICATED,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other"
                " valid authentication credential.",
                ("FIRESTORE_CREDENTIALS",),
            ),
            (
                grpc.StatusCode.PERMISSION_DENIED,
                "Missing or insufficient permissions.",
                ("FIRESTORE_PROJECT", "roles/datastore.user"),
            ),
            (
                grpc.StatusCode.NOT_FOUND,
                "The database (default) does not exist for project some-project",
                ("FIRESTORE_PROJECT",),
            ),
        ],
        ids=["wrong credentials", "missing right", "unknown project"],
    )
    def test_googles_refusals(self, status: Any, details: str, words: tuple[str, ...]) -> None:
        with refusing_firestore(status, details) as address:
            troubled(f"firestore://some-project/wherry?emulator={address}", *words)

    @pytest.mark.parametrize("file", ["missing.json", "empty.json"])
    def test_credentials_that_are_none(self, tmp_path: Path, file: str) -> None:
        (tmp_path / "empty.json").write_text("{}")
        troubled(f"firestore://some-project/wherry?credentials={tmp_path / file}", "FIRESTORE_CREDENTIALS")

    @pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "http://127.0.0.1"])
    def test_an_unreachable_host(self, host: str) -> None:
        url = f"firestore://some-project/wherry?emulator={host}:{free_port()}"
        troubled(url, "cannot be reached", "FIRESTORE_EMULATOR")

    def test_a_certificate_that_nobody_vouches_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        url = f"firestore://some-project/wherry?credentials={service_account(tmp_path)}"
        with tls_server(self_signed(tmp_path)) as port:
            monkeypatch.setattr(firestore_client, "HOST", f"127.0.0.1:{port}")
            troubled(url, "TLS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
        assert capfd.readouterr().err == ""  # gRPC writes past Python


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("couchdb://ann:s3cret-word@127.0.0.1:{port}/wherry", "COUCHDB_URL"),
        ("dynamodb://eu-central-1/wherry?endpoint=http://127.0.0.1:{port}", "DYNAMODB_ENDPOINT"),
        ("firestore://some-project/wherry?emulator=127.0.0.1:{port}", "FIRESTORE_EMULATOR"),
    ],
)
def test_a_process_of_its_own_writes_the_sentence_and_nothing_else(url: str, words: str, tmp_path: Path) -> None:
    given = settings_of(url.format(port=free_port()))
    variables = {f"WHERRY_{name}": str(value) for name, value in given.items()}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "db", "get", "users", "x"],
        cwd=ROOT,
        env={**os.environ, "WHERRY_ENV": "testing", "WHERRY_INSTANCE_PATH": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert words in done.stderr
    assert SECRET not in done.stderr
