from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.db import Index, InvalidQuery
from app.db.entities import (
    Entity,
    Timestamp,
    UnreadableEntity,
    new_id,
    read_time,
    schema_of,
    stored_time,
    timestamp_fields,
)
from tests.db.kit import Boat, Harbour

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def stored(**fields: Any) -> dict[str, Any]:
    return {"_id": "b1", "_rev": "r1", "name": "Ariel", **fields}


class TestIds:
    def test_ids_are_22_url_safe_characters_that_no_command_line_takes_for_an_option(self) -> None:
        ids = {new_id() for _ in range(500)}
        assert len(ids) == 500
        assert all(len(id) == 22 and id[0].isalnum() and id.replace("-", "").replace("_", "").isalnum() for id in ids)

    def test_the_id_of_an_entity_does_not_change(self) -> None:
        boat = Boat(name="Ariel")
        with pytest.raises(ValidationError):
            boat.id = "other"


class TestTimes:
    def test_a_time_is_stored_with_a_fixed_width_in_utc(self) -> None:
        assert stored_time(MOMENT) == "2026-01-02T03:04:05.000006Z"
        assert stored_time(MOMENT.replace(microsecond=0)) == "2026-01-02T03:04:05.000000Z"
        there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert stored_time(there) == stored_time(MOMENT)

    def test_a_time_without_a_zone_is_refused(self) -> None:
        naive = MOMENT.replace(tzinfo=None)
        with pytest.raises(ValueError, match="zone"):
            stored_time(naive)
        with pytest.raises(ValidationError):
            Boat(name="Ariel", sailed_at=naive)

    @given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
    def test_stored_times_sort_like_the_times_and_read_back_equal(self, one: datetime, other: datetime) -> None:
        assert (stored_time(one) < stored_time(other)) == (one < other)
        assert read_time(stored_time(one)) == one
        assert read_time(stored_time(one)).tzinfo is UTC

    def test_a_plain_datetime_in_an_entity_is_refused_when_the_class_is_made(self) -> None:
        with pytest.raises(TypeError, match="Timestamp"):

            class Late(Entity):
                collection = "lates"
                since: datetime | None = None

    def test_timestamps_are_found_in_unions_too(self) -> None:
        assert timestamp_fields(Boat) == {"created_at", "updated_at", "sailed_at"}


class TestDocuments:
    def test_a_document_holds_json_values_and_neither_id_nor_revision(self) -> None:
        boat = Boat(id="b1", rev="r1", name="Ariel", crew=("Ann",), sailed_at=MOMENT)
        document = boat.to_document()
        assert "id" not in document
        assert "rev" not in document
        assert document["crew"] == ["Ann"]
        assert document["sailed_at"] == "2026-01-02T03:04:05.000006Z"

    def test_an_entity_reads_back_equal(self) -> None:
        boat = Boat(id="b1", rev="r1", name="Ariel", crew=("Ann",), sailed_at=MOMENT, cargo={"tea": [1, {"a": None}]})
        assert Boat.from_document({**boat.to_document(), "_id": "b1", "_rev": "r1"}) == boat

    def test_an_unknown_field_is_refused_from_code_and_left_out_from_the_database(self) -> None:
        with pytest.raises(ValidationError):
            Boat(name="Ariel", owner="me")  # type: ignore[call-arg]
        assert Boat.from_document(stored(owner="me")).name == "Ariel"

    def test_a_document_that_does_not_fit_is_named_with_its_fields_but_not_its_values(self) -> None:
        with pytest.raises(UnreadableEntity) as caught:
            Boat.from_document(stored(length="very", kind="submarine"))
        assert caught.value.fields == ("kind", "length")
        assert "'b1' in 'boats'" in str(caught.value)
        assert "submarine" not in str(caught.value)

    def test_a_wrong_assignment_is_refused_at_once(self) -> None:
        boat = Boat(name="Ariel")
        with pytest.raises(ValidationError):
            boat.kind = "submarine"  # type: ignore[assignment]

    def test_an_infinite_number_does_not_quietly_become_null(self) -> None:
        assert Boat(name="Ariel", length=float("inf")).to_document()["length"] == float("inf")


class TestDeclarations:
    def test_the_schema_has_each_entity_and_what_every_unit_of_work_writes(self) -> None:
        schema = schema_of(Boat, Harbour)
        boats, harbours = schema.get("boats"), schema.get("harbours")
        assert boats is not None
        assert (boats.scope, boats.indexes) == ("tenant", (Index("name"), Index("kind", "name")))
        assert harbours is not None
        assert harbours.scope == "installation"
        assert {"audit", "installation_audit", "claims", "installation_claims"} <= {one.name for one in schema}

    def test_an_index_on_a_field_that_is_not_stored_is_refused(self) -> None:
        with pytest.raises(TypeError, match="nmae"):

            class Typo(Entity):
                collection = "typos"
                indexes = (Index("nmae"),)
                name: str

    def test_a_secret_that_is_no_field_is_refused(self) -> None:
        with pytest.raises(TypeError, match="pasword"):

            class Typo(Entity):
                collection = "typos"
                secret = frozenset({"pasword"})
                password: str

    def test_a_collection_name_that_no_backend_takes_is_refused(self) -> None:
        with pytest.raises(InvalidQuery):

            class Loud(Entity):
                collection = "LOUD"

    def test_a_timestamp_in_a_list_is_fine(self) -> None:
        class Log(Entity):
            collection = "logs"
            seen: tuple[Timestamp, ...] = ()

        assert Log(seen=(MOMENT,)).to_document()["seen"] == [stored_time(MOMENT)]

    def test_people_recognise_an_entity_by_its_name_never_by_a_secret(self) -> None:
        class Key(Entity):
            collection = "keys"
            secret = frozenset({"name"})
            name: str = "hush"

        assert Boat(name="Ariel").audit_label() == "Ariel"
        key = Key()
        assert key.audit_label() == key.id
