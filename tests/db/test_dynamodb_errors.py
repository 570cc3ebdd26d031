"""DynamoDB's own errors, each provoked, and the doctor's findings with their remedies."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from app.db import (
    Collection,
    Conflict,
    DatabaseService,
    Index,
    Put,
    Query,
    Schema,
    Unavailable,
    get_database_service,
    open_database,
    where,
)
from app.db.backends import dynamodb_client, dynamodb_collections
from app.db.backends.dynamodb import DynamoDatabase
from app.db.backends.dynamodb_errors import DynamoError, NotSent, Refused, ReplyLost, refusal, translate
from app.db.errors import DatabaseError, InvalidDocument, NotFound, NotWritable, Throttled, TooLarge, Unauthorised
from app.errors import WherryError
from tests.db.contract.given import NOTES, PEOPLE, fill, ids_of, make_schema
from tests.db.dynamodb_fixtures import backend, dynamodb_url
from tests.db.dynamodb_server import DynamoBackend
from tests.db.server_process import free_port

__all__ = ["backend", "dynamodb_url"]


@pytest.fixture
def service(backend: DynamoBackend) -> Iterator[DynamoDatabase]:
    opened = backend.database(make_schema())
    opened.prepare()
    yield opened
    opened.close()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A machine without any AWS configuration, and with no metadata service to ask."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def endpoint(url: str) -> str:
    return urlsplit(url).query.partition("=")[2]


def failing(url: str, error: type[DatabaseError] = Unavailable) -> str:
    """What a service at the URL says when it is used."""
    service = open_database(url, timeout=1.0)
    with pytest.raises(error) as caught:
        service.get(NOTES, "a")
    findings = service.doctor()
    assert [finding.ok for finding in findings][-1] is False
    assert findings[-1].remedy
    service.close()
    return str(caught.value)


class TestConfiguration:
    def test_without_credentials_the_sentence_says_what_to_set(self, dynamodb_url: str, nobody: None) -> None:
        where = f"dynamodb://eu-central-1/t-none?endpoint={endpoint(dynamodb_url)}"
        assert "AWS_ACCESS_KEY_ID" in failing(where, Unauthorised)

    def test_a_role_whose_token_file_is_missing_is_one_sentence(
        self, dynamodb_url: str, nobody: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/wherry")
        where = f"dynamodb://eu-central-1/t-none?endpoint={endpoint(dynamodb_url)}"
        assert "/nonexistent" in failing(where, Unauthorised)

    @pytest.mark.parametrize(
        "error",
        [
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRoleWithWebIdentity"),
            RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
        ],
        ids=["refused", "expired"],
    )
    def test_whatever_keeps_a_roles_credentials_away_is_unauthorised(
        self, dynamodb_url: str, nobody: None, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def refresh() -> None:
            raise error

        monkeypatch.setattr(dynamodb_client.Target, "_source", SimpleNamespace(get_frozen_credentials=refresh))
        where = f"dynamodb://eu-central-1/t-none?endpoint={endpoint(dynamodb_url)}"
        assert str(error) in failing(where, Unauthorised)

    def test_the_sdk_asks_for_a_roles_credentials_once_and_not_for_long(self, nobody: None) -> None:
        made = dynamodb_client.Target("eu-central-1")._session.create_client("sts", region_name="eu-central-1")
        config = made.meta.config
        assert config.connect_timeout + config.read_timeout <= 2.5
        assert config.retries["total_max_attempts"] == 1
        made.close()

    def test_without_a_region_the_sentence_names_the_setting(self, dynamodb_url: str, nobody: None) -> None:
        where = f"dynamodb:///t-none?endpoint={endpoint(dynamodb_url)}"
        assert "DYNAMODB_REGION" in failing(where, Unauthorised)

    def test_credentials_that_nobody_knows_are_unauthorised(self, dynamodb_url: str) -> None:
        where = f"dynamodb://no%20such%20key:x@eu-central-1/t-none?endpoint={endpoint(dynamodb_url)}"
        assert "AWS_ACCESS_KEY_ID" in failing(where, Unauthorised)

    def test_a_region_that_is_none_is_said_to_be_none(self, nobody: None) -> None:
        assert "DYNAMODB_REGION" in failing("dynamodb://k:s@not_a_region/t-none", Unavailable)

    @pytest.mark.parametrize(
        "host", ["http://127.0.0.1:{port}", "http://no-such-host.invalid:8000", "https://127.0.0.1:{port}"]
    )
    def test_an_unreachable_host_is_named_with_its_settings(self, host: str) -> None:
        where = f"dynamodb://k:s@eu-central-1/t-none?endpoint={host.format(port=free_port())}"
        assert "DYNAMODB_ENDPOINT" in failing(where)

    def test_tls_with_a_server_that_has_none_is_refused(self, dynamodb_url: str) -> None:
        where = f"dynamodb://k:s@eu-central-1/t-none?endpoint={endpoint(dynamodb_url).replace('http:', 'https:')}"
        assert "DYNAMODB_ENDPOINT" in failing(where)

    def test_an_endpoint_that_is_no_address_is_refused(self) -> None:
        assert "DYNAMODB_ENDPOINT" in failing("dynamodb://k:s@eu-central-1/t-none?endpoint=localhost", Unauthorised)

    @pytest.mark.parametrize(
        "url",
        [
            "dynamodb://eu-central-1",
            "dynamodb://eu-central-1/a/b",
            "dynamodb://eu-central-1/ab",
            "dynamodb://eu-central-1/a%20b",
            "dynamodb://eu-central-1/wherry?timeout=soon",
            "dynamodb://eu-central-1/wherry?colour=red",
        ],
    )
    def test_a_url_that_is_none_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(WherryError):
            open_database(url)

    def test_the_region_and_the_endpoint_come_from_the_aws_configuration(
        self, nobody: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        (tmp_path / "config").write_text("[default]\nregion = ap-south-1\n")
        (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = hush\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        target = dynamodb_client.Target()
        assert target.region == "ap-south-1"
        assert target.endpoint.startswith("https://dynamodb.ap-south-1.")
        assert target.credentials() == ("AKID", "hush", None)
        assert target.tls is not None

    def test_settings_make_the_service(
        self, dynamodb_url: str, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Settings:
            database_provider = "dynamodb"
            database_create_missing = True
            database_metrics = False
            secret_key = "s" * 32
            dynamodb_region = "eu-central-1"
            dynamodb_endpoint = endpoint(dynamodb_url)
            dynamodb_prefix = backend.prefix
            dynamodb_billing_mode = "on_demand"
            dynamodb_read_units = dynamodb_write_units = 0

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        service = get_database_service(Settings(), make_schema())
        service.save(NOTES, "a", {"n": 1})
        assert service.get(NOTES, "a")["n"] == 1
        service.close()


class TestAnswers:
    def test_real_refusals_mean_what_the_contract_says(self, service: DynamoDatabase) -> None:
        client, table = service._client, f"{service._prefix}-notes"
        key = {"~tenant": {"S": "acme"}, "~id": {"S": "a"}}
        by_tenant = {
            "KeyConditionExpression": "#t = :t",
            "ExpressionAttributeNames": {"#t": "~tenant"},
            "ExpressionAttributeValues": {":t": {"S": "acme"}},
        }
        calls: list[tuple[str, dict[str, Any], type[DatabaseError]]] = [
            ("GetItem", {"TableName": f"{service._prefix}-none", "Key": key}, Unavailable),
            ("GetItem", {"TableName": table, "Key": {"~id": {"S": "a"}}}, InvalidDocument),
            ("PutItem", {"TableName": table, "Item": {**key, "x": {"S": "x" * 420_000}}}, TooLarge),
            ("PutItem", {"TableName": table, "Item": {**key, "x": {"N": "one"}}}, InvalidDocument),
            ("PutItem", {"TableName": table, "Item": {**key, "x": {"N": "1e300"}}}, InvalidDocument),
            ("Query", {**by_tenant, "TableName": table, "IndexName": "no-such-index"}, Unavailable),
            ("NoSuchOperation", {}, Unavailable),
        ]
        for operation, payload, expected in calls:
            with pytest.raises(DynamoError) as caught:
                client.call(operation, payload)
            assert type(translate(caught.value)) is expected, (operation, str(caught.value))

    def test_conditions_tell_conflicts_from_absences(self, service: DatabaseService) -> None:
        rev = service.create(NOTES, "a", {})["rev"]
        with pytest.raises(Conflict):
            service.create(NOTES, "a", {})
        service.save(NOTES, "a", {})
        with pytest.raises(Conflict):
            service.delete(NOTES, "a", rev)
        with pytest.raises(NotFound):
            service.delete(NOTES, "b", rev)
        with pytest.raises(Conflict) as caught:
            service.commit([Put(NOTES, "b", {}), Put(NOTES, "a", {}, rev), Put(PEOPLE, "c", {}, rev)])
        assert caught.value.keys == ((NOTES, "a"), (PEOPLE, "c"))

    @pytest.mark.parametrize(
        ("code", "message", "expected"),
        [
            ("AccessDeniedException", "User is not authorized to perform: dynamodb:PutItem", Unauthorised),
            ("ExpiredTokenException", "The security token included in the request is expired", Unauthorised),
            ("InvalidSignatureException", "Signature expired: 2026 is now earlier than 2027", Unauthorised),
            ("ProvisionedThroughputExceededException", "", Throttled),
            ("ThrottlingException", "Rate of requests exceeds the allowed throughput.", Throttled),
            ("TransactionConflictException", "", Throttled),
            ("ItemCollectionSizeLimitExceededException", "Collection size exceeded.", TooLarge),
            ("ValidationException", "Item size has exceeded the maximum allowed size", TooLarge),
            ("ValidationException", "One or more parameter values were invalid", InvalidDocument),
            ("ValidationException", "The table does not have the specified index: name", Unavailable),
            ("ValidationException", "Cannot read from backfilling global secondary index: name", Unavailable),
            ("ResourceInUseException", "Table is being created", Unavailable),
            ("ReplicatedWriteConflictException", "", NotWritable),
            ("SomethingNew", "", Unavailable),
        ],
    )
    def test_what_cannot_be_provoked_here_is_translated_from_its_documented_form(
        self, code: str, message: str, expected: type[DatabaseError]
    ) -> None:
        body = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"{message}"}}'.encode()
        assert type(translate(refusal(400, body))) is expected

    def test_a_cancelled_transaction_tells_why(self) -> None:
        for reason in ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"):
            told = {"CancellationReasons": [{"Code": "None"}, {"Code": reason}]}
            assert type(translate(Refused(400, "TransactionCanceledException", "cancelled", told))) is Throttled

    def test_only_a_write_that_was_sent_has_an_unknown_outcome(self) -> None:
        sent = [ReplyLost("", write=True)]
        for error in (*sent, ReplyLost("", write=False), NotSent(""), NotSent("", tls=True), ValueError()):
            translated = translate(error)
            assert isinstance(translated, Unavailable)
            assert (translated.outcome == "unknown") == (error in sent)


class TestDoctor:
    def test_a_healthy_database_is_well_in_every_respect(self, service: DynamoDatabase) -> None:
        findings = {finding.name: finding for finding in service.doctor()}
        assert {"reachable", "clock", "authorised", "rights", "indexes"} < findings.keys()
        assert f"table {service._prefix}-notes" in findings
        assert [finding for finding in findings.values() if not finding.ok] == []

    def test_a_missing_table_a_missing_index_and_an_unprepared_collection_are_found(
        self, service: DynamoDatabase
    ) -> None:
        client = service._client
        client.call("DeleteTable", {"TableName": f"{service._prefix}-tasks"})
        found = service._catalogue.leased("notes")
        assert found is not None
        name = next(iter(found[0].keys.values())).name
        client.call(
            "UpdateTable",
            {"TableName": f"{service._prefix}-notes", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]},
        )
        service.schema.add(Collection("further", "tenant", (Index("name"),)))
        bad = {finding.name: finding for finding in service.doctor() if not finding.ok}
        assert bad.keys() == {f"table {service._prefix}-tasks", f"table {service._prefix}-notes", "indexes"}
        assert all(finding.remedy for finding in bad.values())
        with pytest.raises(Unavailable, match="prepare"):
            service.get("acme/tasks", "a")

    @pytest.mark.parametrize(
        ("operation", "part", "named"),
        [
            ("PutItem", "", "dynamodb:PutItem"),
            ("GetItem", "-notes", "dynamodb:GetItem"),
            ("BatchWriteItem", "", "dynamodb:BatchWriteItem"),
            ("Query", "", "dynamodb:Query, dynamodb:Query on its indexes"),
            ("Query", "IndexName", "dynamodb:Query on its indexes"),
        ],
    )
    def test_a_right_that_is_missing_is_named(
        self, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch, operation: str, part: str, named: str
    ) -> None:
        # Of two collections only one has an index.
        schema = Schema([Collection("a", "tenant", ()), Collection("notes", "tenant", (Index("a", "b", "c"),))])
        service = backend.database(schema)
        service.prepare()
        call = service._client.call

        def lacking(called: str, payload: Any, *args: Any) -> Any:
            if called == operation and part in str(payload) and "--collections" not in str(payload):
                raise Refused(400, "AccessDeniedException", "not authorized", {})
            return call(called, payload, *args)

        monkeypatch.setattr(service._client, "call", lacking)
        bad = [finding for finding in service.doctor() if not finding.ok]
        assert [(finding.name, finding.detail) for finding in bad] == [("rights", f"lacking: {named}")]
        service.close()

    def test_a_clock_that_is_off_is_found(self, service: DynamoDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service._client, "server_clock", lambda: 600.0)
        bad = [finding for finding in service.doctor() if not finding.ok]
        assert [finding.name for finding in bad] == ["clock"]


class TestGrowing:
    def test_tables_have_the_capacity_that_was_asked_for(self, backend: DynamoBackend) -> None:
        service = DynamoBackend(backend.url, backend.prefix, read_units=7, write_units=3).database(make_schema())
        service.prepare()
        described = service._catalogue.describe(f"{backend.prefix}-notes")
        assert described is not None
        for one in (described, *described["GlobalSecondaryIndexes"]):
            units = one["ProvisionedThroughput"]
            assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (7, 3)
        service.close()

    def test_a_new_index_has_the_capacity_of_its_table_whatever_the_service_was_told(
        self, backend: DynamoBackend
    ) -> None:
        for collection, units in (("notes", {"read_units": 7, "write_units": 3}), ("tasks", {})):
            for numbers in (units, {"read_units": 2, "write_units": 2}):
                service = DynamoBackend(backend.url, backend.prefix, **numbers).database()
                service.prepare(Schema([Collection(collection, "tenant", (Index("n"), Index(f"n{len(numbers)}")))]))
                service.prepare(Schema([Collection(collection, "tenant", (Index(f"m{numbers == units}"),))]))
                described = service._catalogue.describe(f"{backend.prefix}-{collection}")
                service.close()
            assert described is not None
            found = {
                index.get("ProvisionedThroughput", {}).get("ReadCapacityUnits", 0)
                for index in described["GlobalSecondaryIndexes"]
            }
            assert found == {units.get("read_units", 0)}

    def test_tables_are_on_demand_otherwise(self, service: DynamoDatabase) -> None:
        described = service._catalogue.describe(f"{service._prefix}-notes")
        assert described is not None
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"

    def test_a_table_that_somebody_else_made_with_fewer_indexes_is_completed(
        self, service: DynamoDatabase, backend: DynamoBackend
    ) -> None:
        client = service._client
        fill(service, NOTES, {"a": {"name": "b", "status": "x"}, "b": {"name": "a", "status": "x"}})
        client.call("DeleteItem", {"TableName": f"{service._prefix}--collections", "Key": {"name": {"S": "notes"}}})
        wanted = Schema([Collection("notes", "tenant", (Index("name"), Index("kind", "name")))])
        second = backend.database(wanted, strict=True)
        second.prepare()
        second.save(NOTES, "c", {"kind": 1, "name": "c"})
        assert [d["_id"] for d in second.query(NOTES, query_of("name")).documents] == ["b", "a", "c"]
        assert ids_of(second, NOTES, query_of("name", where("kind").eq(1))) == ["c"]
        assert second.prepare() == []
        second.close()

    def test_an_index_is_added_to_a_table_of_little_capacity_page_by_page(
        self, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = backend.database(Schema([Collection("notes", "tenant", ())]))
        fill(first, NOTES, {f"{n:02}": {"name": f"{n:02}"} for n in range(30)})
        first.close()
        service = backend.database(Schema([Collection("notes", "tenant", (Index("name"),))]), strict=True)
        monkeypatch.setattr(dynamodb_collections, "_SCANNED_AT_ONCE", 8)
        waited: list[float] = []
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=waited.append)
        monkeypatch.setattr(dynamodb_collections, "time", clock)
        call, call_all = service._client.call, service._client.call_all
        busy = Refused(400, "ProvisionedThroughputExceededException", "", {})
        pages: list[Any] = []

        def little(operation: str, payload: Any, *args: Any) -> Any:
            if operation == "Scan" and "-notes" in payload["TableName"]:
                pages.append(payload.get("ExclusiveStartKey"))
                if len(pages) in (2, 3, 5):
                    raise busy
            return call(operation, payload, *args)

        def few(operation: str, payloads: Any, *args: Any) -> Any:
            if operation != "UpdateItem":
                return call_all(operation, payloads, *args)
            done = call_all(operation, payloads[:5], *args)
            return [*done, *[busy, *[NotSent("no time is left")] * 16][: len(payloads) - len(done)]]

        monkeypatch.setattr(service._client, "call", little)
        monkeypatch.setattr(service._client, "call_all", few)
        service.prepare()
        monkeypatch.undo()
        assert pages[1] == pages[2] == pages[3] != pages[4] == pages[5]
        assert len(pages) == 4 + 3  # 30 documents in pages of 8, three of them asked for in vain
        assert len([wait for wait in waited if 1 <= wait <= 10]) >= 3 + 3 + 2
        assert len(ids_of(service, NOTES, query_of("name"))) == 30
        service.close()

    def test_a_table_that_the_account_has_no_room_for_is_given_up_with_dynamodbs_words(
        self, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service = backend.database(make_schema())
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        monkeypatch.setattr(dynamodb_collections, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
        call = service._client.call

        def full(operation: str, *args: Any) -> Any:
            if operation == "CreateTable":
                raise Refused(400, "LimitExceededException", "Subscriber limit exceeded: 2500 tables", {})
            return call(operation, *args)

        monkeypatch.setattr(service._client, "call", full)
        with pytest.raises(Unavailable, match="2500 tables"):
            service.prepare()
        assert 200 < now[0] < 400
        service.close()

    def test_a_write_that_was_held_up_beyond_all_bounds_is_given_its_keys(
        self, backend: DynamoBackend, service: DynamoDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wider = Schema([Collection("notes", "tenant", (Index("kind"),))])
        put = service._writer.save

        def held_up(*args: Any) -> str:
            second = backend.database(wider)
            second.prepare()
            second.close()
            monkeypatch.setattr(service._catalogue.registry, "late", lambda leased: True)
            return put(*args)

        monkeypatch.setattr(service._writer, "save", held_up)
        service.save(NOTES, "late", {"kind": 5})
        monkeypatch.undo()
        second = backend.database(wider, strict=True)
        assert ids_of(second, NOTES, query_of("kind")) == ["late"]
        second.close()


def query_of(order: str, *conditions: Any) -> Any:
    return Query(where=conditions, order_by=(order,))
