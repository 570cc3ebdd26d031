"""How foreign documents become ours."""

import math

import pytest

from app.db.transfer.mapping import DoesNotFit, Field, Mapping, map_document, moment, snake_case, text
from tests.db.kit import Boat

PLAIN = Mapping("boats", "adopted_boats")
BOATS = Mapping("boats", "boats", fields={"boatName": "name"}, dropped={"mood": "boats have none"}, entity=Boat)


class TestFields:
    @pytest.mark.parametrize(
        ("name", "ours"),
        [
            ("createdAt", "created_at"),
            ("userID", "user_id"),
            ("HTTPPort", "http_port"),
            ("already_snake", "already_snake"),
            ("name", "name"),
            ("v2Api", "v2_api"),
            ("with space", "with space"),
        ],
    )
    def test_names_become_snake_case(self, name: str, ours: str) -> None:
        assert snake_case(name) == ours

    def test_the_id_and_values_stay_as_they_are(self) -> None:
        mapped = map_document(PLAIN, {"_id": "asf:jdoe", "_rev": "3-abc", "displayName": "J", "a": {"innerKey": [1.0]}})
        assert mapped.id == "asf:jdoe"
        assert mapped.document == {"display_name": "J", "a": {"innerKey": [1]}}
        assert mapped.left_out == ()

    def test_two_fields_of_one_name_are_told(self) -> None:
        mapped = map_document(PLAIN, {"_id": "a", "fooBar": 1, "foo_bar": 2})
        assert mapped.document == {"foo_bar": 1}
        assert mapped.left_out == (("field foo_bar", "foo_bar is filled by another field already"),)

    def test_attachments_and_conflicts_are_told(self) -> None:
        stub = {"content_type": "text/plain", "length": 1_234, "stub": True}
        mapped = map_document(PLAIN, {"_id": "a", "_attachments": {"n.txt": stub}, "_conflicts": ["2-x"]})
        assert mapped.left_out[0] == (
            "attachment n.txt",
            "documents have no attachments here (text/plain, 1,234 bytes)",
        )
        assert mapped.left_out[1][0] == "conflicts"

    def test_a_dropped_field_has_its_reason_and_a_value_that_does_not_fit_its_own(self) -> None:
        mapping = Mapping("boats", "boats", fields={"n": Field("n", text)}, dropped={"mood": "none"}, others="leave")
        mapped = map_document(mapping, {"_id": "a", "mood": "good", "n": 3, "crew": []})
        assert mapped.document == {}
        assert dict(mapped.left_out) == {
            "field mood": "none",
            "field n": "is int, not text",
            "field crew": "boats have no such field",
        }


class TestEntities:
    def test_a_document_becomes_the_entity(self) -> None:
        mapped = map_document(BOATS, {"_id": "a", "boatName": "Ariel", "kind": "tug"})
        assert isinstance(mapped.entity, Boat)
        assert (mapped.entity.id, mapped.entity.name, mapped.entity.kind) == ("a", "Ariel", "tug")

    @pytest.mark.parametrize(
        ("foreign", "named"),
        [
            ({"boatName": 3}, "name"),
            ({}, "name"),
            ({"boatName": "A", "kind": "car"}, "kind"),
            ({"boatName": "A", "cargo": {"n": 2**60}}, "cargo.n"),
            ({"boatName": "A", "cargo": {"n": math.inf}}, "cargo.n"),
        ],
    )
    def test_one_that_does_not_fit_is_refused_by_field(self, foreign: dict[str, object], named: str) -> None:
        with pytest.raises(DoesNotFit, match=named):
            map_document(BOATS, {"_id": "a", **foreign})

    def test_an_id_that_nobody_can_have_is_refused(self) -> None:
        with pytest.raises(DoesNotFit, match="512"):
            map_document(PLAIN, {"_id": "x" * 600})


class TestMoments:
    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            ("2025-11-02T10:20:30.123456", "2025-11-02T10:20:30.123456Z"),
            ("2025-11-02T10:20:30Z", "2025-11-02T10:20:30.000000Z"),
            ("2025-11-02T10:20:30+02:00", "2025-11-02T08:20:30.000000Z"),
            ("2025-11-02 10:20:30", "2025-11-02T10:20:30.000000Z"),
            (1_700_000_000, "2023-11-14T22:13:20.000000Z"),
            (1_700_000_000_000, "2023-11-14T22:13:20.000000Z"),
        ],
    )
    def test_times_are_read(self, value: object, stored: str) -> None:
        assert moment(value) == stored

    @pytest.mark.parametrize("value", ["yesterday", None, [], 1e30, True, ""])
    def test_what_is_no_time_is_refused(self, value: object) -> None:
        with pytest.raises(ValueError, match="time"):
            moment(value)
