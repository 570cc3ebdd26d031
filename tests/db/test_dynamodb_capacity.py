"""How DynamoDB's tables are paid for: by request, or with a capacity of their own, as the settings say."""

from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.config import Settings, SettingsError, load_settings
from app.db import Collection, Index, Schema, open_database
from app.db.backends.dynamodb import DynamoDatabase
from app.db.factory import open_configured
from app.errors import WherryError
from tests.db.dynamodb_fixtures import backend, dynamodb_url
from tests.db.dynamodb_server import DynamoBackend

__all__ = ["backend", "dynamodb_url"]

NARROW = Schema([Collection("boats", "tenant", (Index("name"),)), Collection("harbours", "installation", ())])
WIDE = Schema([Collection("boats", "tenant", (Index("name"), Index("kind", "name"), Index("a", "b", "c")))])


def settings(**given: Any) -> Settings:
    """The application's settings with these differences."""
    return load_settings({"ENV": "testing", **given}, environ={})


def prepared(backend: DynamoBackend, schema: Schema, monkeypatch: pytest.MonkeyPatch, **given: Any) -> DynamoDatabase:
    """The database that the settings choose, with the schema's tables."""
    parts = urlsplit(backend.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", parts.username or "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", parts.password or "secret")
    chosen = settings(
        DATABASE_PROVIDER="dynamodb",
        DYNAMODB_REGION=parts.hostname,
        DYNAMODB_ENDPOINT=parse_qs(parts.query)["endpoint"][-1],
        DYNAMODB_PREFIX=backend.prefix,
        **given,
    )
    service = open_configured(chosen, schema)
    assert isinstance(service, DynamoDatabase)
    service.prepare()
    return service


def described(service: DynamoDatabase, collection: str) -> dict[str, Any]:
    """What DynamoDB says of a collection's table."""
    found = service._catalogue.describe(f"{service._prefix}-{collection}")
    assert found is not None
    return found


def units(of: dict[str, Any]) -> tuple[int, int]:
    """The read and write units of a described table or index; (0, 0) on demand."""
    told = of.get("ProvisionedThroughput", {})
    return told.get("ReadCapacityUnits", 0), told.get("WriteCapacityUnits", 0)


class TestTables:
    def test_every_table_and_index_has_the_capacity_of_the_settings(
        self, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provisioned = {"DYNAMODB_BILLING_MODE": "provisioned", "DYNAMODB_READ_UNITS": 7, "DYNAMODB_WRITE_UNITS": 3}
        with closing(prepared(backend, NARROW, monkeypatch, **provisioned)) as service:
            for collection in ("boats", "harbours", "-collections"):
                table = described(service, collection)
                assert table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED") == "PROVISIONED"
                assert {units(one) for one in (table, *table.get("GlobalSecondaryIndexes", ()))} == {(7, 3)}
            assert len(described(service, "boats")["GlobalSecondaryIndexes"]) == 1
            details = {finding.name: finding.detail for finding in service.doctor() if finding.ok}
            assert "7 read and 3 write units a second" in details[f"table {backend.prefix}-boats"]

    def test_tables_and_indexes_are_on_demand_unless_the_settings_say_otherwise(
        self, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(prepared(backend, NARROW, monkeypatch)) as service:
            for collection in ("boats", "harbours", "-collections"):
                table = described(service, collection)
                assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
                assert {units(one) for one in (table, *table.get("GlobalSecondaryIndexes", ()))} == {(0, 0)}
            details = {finding.name: finding.detail for finding in service.doctor() if finding.ok}
            assert "on demand" in details[f"table {backend.prefix}-boats"]

    def test_an_index_that_is_added_later_has_what_its_table_has_and_not_what_the_settings_say_by_then(
        self, backend: DynamoBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = {"DYNAMODB_BILLING_MODE": "provisioned", "DYNAMODB_READ_UNITS": 4, "DYNAMODB_WRITE_UNITS": 2}
        prepared(backend, NARROW, monkeypatch, **first).close()
        with closing(backend.database(WIDE)) as service:  # whose own tables would be on demand
            service.prepare()
            table = described(service, "boats")
            assert [units(one) for one in (table, *table["GlobalSecondaryIndexes"])] == [(4, 2)] * 4

    @pytest.mark.parametrize("options", ["read_units=7", "write_units=7", "read_units=7&write_units=-1"])
    def test_half_a_capacity_is_refused_in_a_sentence_that_names_both(self, options: str) -> None:
        with pytest.raises(WherryError, match=r"DYNAMODB_READ_UNITS.*DYNAMODB_WRITE_UNITS.*read_units"):
            open_database(f"dynamodb://eu-central-1/wherry?{options}")


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"DYNAMODB_BILLING_MODE": "reserved"}, "DYNAMODB_BILLING_MODE must be 'on_demand' or 'provisioned'"),
            ({"DYNAMODB_BILLING_MODE": "provisioned"}, "DYNAMODB_READ_UNITS must be at least 1 when"),
            (
                {"DYNAMODB_BILLING_MODE": "provisioned", "DYNAMODB_READ_UNITS": 5},
                "DYNAMODB_WRITE_UNITS must be at least 1 when DYNAMODB_BILLING_MODE is provisioned",
            ),
            ({"DYNAMODB_WRITE_UNITS": 5}, "DYNAMODB_WRITE_UNITS must be 0 when DYNAMODB_BILLING_MODE is on_demand"),
            ({"DYNAMODB_READ_UNITS": -1}, "DYNAMODB_READ_UNITS must be greater than or equal to 0"),
            ({"DYNAMODB_READ_UNITS": "many"}, "DYNAMODB_READ_UNITS must be a valid integer"),
        ],
    )
    def test_what_cannot_be_is_refused_at_the_start_by_the_settings_name(
        self, given: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            settings(**given)
        assert words in str(caught.value)

    def test_the_mode_is_read_in_any_case(self) -> None:
        chosen = settings(DYNAMODB_BILLING_MODE=" Provisioned", DYNAMODB_READ_UNITS=1, DYNAMODB_WRITE_UNITS=1)
        assert chosen.dynamodb_billing_mode == "provisioned"
