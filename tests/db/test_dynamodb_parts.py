"""The parts of the DynamoDB backend that need no server: signing, values, keys."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from app.db import Index
from app.db.backends.dynamodb_errors import NotOurs
from app.db.backends.dynamodb_layout import IndexKeys, Table
from app.db.backends.dynamodb_signing import Credentials, Signer
from app.db.backends.dynamodb_values import decode_item, encode_body
from app.db.documents import MAX_INTEGER, check_document
from app.db.index_registry import Entry
from app.db.names import Name
from app.db.planner import plan_query
from app.db.query import where
from app.db.sortkeys import encode_fields

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


class TestSigning:
    @pytest.mark.parametrize("token", [None, "a/session+token=="])
    @pytest.mark.parametrize("body", [b"{}", '{"x":"é😀"}'.encode()])
    def test_a_signature_is_the_one_that_the_sdk_makes(
        self, token: str | None, body: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = Signer("db.example:8000", "eu-west-3").request(
            Credentials("AKID", "hush", token), "GetItem", body, NOON.timestamp()
        )
        head, _, sent = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(":", 1) for line in lines[1:])
        theirs = AWSRequest(
            "POST",
            "http://db.example:8000/",
            headers={"Content-Type": headers["content-type"], "X-Amz-Target": headers["x-amz-target"]},
            data=body,
        )
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOON.replace(tzinfo=None))
        SigV4Auth(BotoCredentials("AKID", "hush", token), "dynamodb", "eu-west-3").add_auth(theirs)
        assert lines[0] == "POST / HTTP/1.1"
        assert sent == body
        assert int(headers["content-length"]) == len(body)
        assert headers["x-amz-date"] == theirs.headers["X-Amz-Date"]
        assert headers["authorization"] == theirs.headers["Authorization"]

    def test_another_day_or_secret_has_another_signature(self) -> None:
        signer = Signer("h", "r")
        times = [NOON.timestamp(), NOON.timestamp() + 86_400, NOON.timestamp()]
        requests = [signer.request(Credentials("A", "s", None), "GetItem", b"{}", now) for now in times]
        other = signer.request(Credentials("A", "t", None), "GetItem", b"{}", times[0])
        assert requests[0] == requests[2]
        assert len({requests[0], requests[1], other}) == 3


def stored(number: Any) -> Any:
    """A number as it comes back in one of the forms that DynamoDB may answer it in."""
    return decode_item({"n": {"N": number}, "~id": {"S": "a"}, "~rev": {"S": "r"}})["n"]


numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(1e-125, 1e125) | st.floats(-1e125, -1e-125)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=4),
    max_leaves=12,
)


class TestValues:
    @given(st.dictionaries(st.text("abc😀", min_size=1, max_size=3), values, max_size=5))
    def test_every_document_comes_back_equal_with_equal_types(self, document: dict[str, Any]) -> None:
        body = check_document(document, "a").body
        item = {**encode_body(body), "~id": {"S": "a"}, "~rev": {"S": "r"}, "~tenant": {"S": "t"}}
        again = decode_item(item)
        assert repr(again) == repr({**body, "_id": "a", "_rev": "r"})

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1" + "0" * 20, 1e20),
            ("-" + "1" + "0" * 125, -1e125),
            ("9007199254740991", MAX_INTEGER),
            ("9007199254740992", 2.0**53),
            ("1E+3", 1000),
            ("0.5", 0.5),
            ("1.0", 1),
            ("-0", 0),
            ("0." + "0" * 124 + "5", 5e-125),
        ],
    )
    def test_dynamodbs_own_forms_of_numbers_are_read(self, text: str, expected: float) -> None:
        assert (stored(text), type(stored(text))) == (expected, type(expected))

    def test_what_no_document_of_ours_has_is_an_error_and_not_another_value(self) -> None:
        for foreign in ({"SS": ["a"]}, {"B": "AAAA"}, {"NS": ["1"]}):
            with pytest.raises(NotOurs, match="type"):
                decode_item({"a": foreign, "~id": {"S": "a"}, "~rev": {"S": "r"}})
        with pytest.raises(NotOurs, match="~rev"):
            decode_item({"a": {"S": "x"}, "~id": {"S": "a"}})


FIELDS = ("a", "b", "c", "d")
short = st.sampled_from([None, False, True, 0, -1.5, 2, "", "a", "a\x00", "a\x00\x01", "b", "x" * 300, "é"])
operators = st.sampled_from(["lt", "lte", "gt", "gte", "eq"])
documents = st.fixed_dictionaries(dict.fromkeys(FIELDS, short))


class TestKeys:
    @given(st.lists(st.tuples(documents, st.text(min_size=1, max_size=2)), min_size=2, max_size=6), st.integers(1, 2))
    def test_the_range_key_orders_by_key_and_then_by_id(self, placed: list[Any], fields: int) -> None:
        keys = IndexKeys(Index(*FIELDS[:fields]))
        paths = tuple((field,) for field in FIELDS[:fields])
        ours = sorted(placed, key=lambda one: keyed(keys, *one))
        assert [(encode_fields(body, paths), id) for body, id in ours] == sorted(
            (encode_fields(body, paths) or b"", id) for body, id in placed
        )

    @given(
        documents, documents, st.integers(2, 4), st.integers(1, 2), st.sampled_from(["lt", "lte", "gt", "gte", "eq"])
    )
    def test_a_document_lies_in_a_runs_bounds_exactly_when_its_key_does(
        self, document: dict[str, Any], asked: dict[str, Any], fields: int, ordered: int, operator: str
    ) -> None:
        index = Index(*FIELDS[:fields])
        fixed = FIELDS[: fields - ordered] if fields > ordered else ()
        order = FIELDS[len(fixed) : fields]
        conditions = [where(field).eq(asked[field]) for field in fixed]
        if asked[order[0]] is not None:
            conditions.append(getattr(where(order[0]), operator)(asked[order[0]]))
        plan = plan_query((index,), conditions, order)
        if plan.index is None:
            return
        key = encode_fields(document, tuple((field,) for field in index.fields))
        assert key is not None
        keys = IndexKeys(index)
        item: dict[str, Any] = {"~tenant": {"S": "t"}}
        keys.put(item, document, "t", "id")
        for span in plan.spans:
            hash, low, high, _ = keys.bounds(span, "t")
            within = item[keys.hash] == hash and low <= keyed(keys, document, "id") < high
            assert within == (span.low <= key < span.high)

    def test_the_longest_keys_are_within_dynamodbs_limits(self) -> None:
        document = dict.fromkeys(FIELDS, "é" * 400)
        for fields in (1, 2, 3, 4):
            keys = IndexKeys(Index(*FIELDS[:fields]))
            item: dict[str, Any] = {}
            keys.put(item, document, "t" * 128, "x" * 512)
            assert len(keyed(keys, document, "x" * 512)) < 1_024
            assert len(item.get(keys.hash, {"B": ""})["B"]) * 3 / 4 < 2_048
            assert len(keys.name) <= 255

    def test_indexes_whose_names_look_alike_have_different_names(self) -> None:
        indexes = [Index("a-b"), Index("a.b"), Index("a", "b"), Index("a b"), Index("A-b"), Index("é"), Index("ü")]
        assert len({IndexKeys(index).name for index in indexes}) == len(indexes)
        assert all(3 <= len(IndexKeys(index).name) <= 255 for index in indexes)

    def test_the_installations_documents_are_spread_evenly_and_for_good(self) -> None:
        table = Table("wherry", Entry("people", "installation", (), ()))
        name = Name("", "people")
        shares = [table.partition(name, f"id {n}") for n in range(3_200)]
        assert set(shares) == set(table.partitions(name))
        assert all(120 < shares.count(share) < 280 for share in set(shares))
        assert [table.partition(name, id) for id in ("a", "é", "\x00")] == ["~3", "~14", "~13"]


def keyed(keys: IndexKeys, body: dict[str, Any], id: str) -> bytes:
    item: dict[str, Any] = {}
    keys.put(item, body, "t", id)
    return b64decode(item[keys.range]["B"])
