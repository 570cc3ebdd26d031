"""The dump file: what goes in comes out, and whatever happens to a byte of it is noticed."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db import open_database
from app.db.documents import Document
from app.db.transfer.dump_format import DATA, END, HEAD, LEVEL, TALLY, pack, seal
from app.db.transfer.dump_reader import DumpDamaged, DumpReader
from app.db.transfer.dump_writer import DumpWriter
from app.db.transfer.dumping import DumpOptions, dump
from app.db.transfer.errors import TransferRefused
from app.db.transfer.progress import Silent
from app.db.transfer.restoring import RestoreOptions, restore
from tests.db.transfer.kit import SCHEMA, harbour, held

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(1e-100, 1e100)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=12,
)
_DOCUMENTS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.dictionaries(st.text('abcé\n"\\é', min_size=1, max_size=5), _VALUES, max_size=4),
    max_size=12,
)


_HEAD = {"wherry_dump": 1, "dump": "x", "created": "", "source": "", "only": {}, "collections": []}
_ROW = b'["harbours",{"_id":"a","_rev":"1"}]\n'


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small dump with several blocks."""
    source = open_database("memory:", SCHEMA)
    harbour(source, 40)
    path = tmp_path_factory.mktemp("dump") / "sample.dump"
    dump(source, path, DumpOptions(), Silent())
    return path.read_bytes()


class TestDamage:
    """Hypothesis chooses the places; the target is looked at each time, and has to be as it was."""

    @settings(max_examples=150)
    @given(place=st.integers(0), bit=st.integers(0, 7))
    def test_a_flipped_bit_is_refused(self, sample: bytes, tmp_path_factory: object, place: int, bit: int) -> None:
        changed = bytearray(sample)
        changed[place % len(changed)] ^= 1 << bit
        refused(bytes(changed), tmp_path_factory)

    @settings(max_examples=60)
    @given(length=st.integers(0))
    def test_a_file_that_is_cut_off_is_refused(self, sample: bytes, tmp_path_factory: object, length: int) -> None:
        refused(sample[: length % len(sample)], tmp_path_factory)

    @settings(max_examples=60)
    @given(place=st.integers(0), added=st.binary(min_size=1, max_size=50))
    def test_bytes_that_are_added_are_refused(
        self, sample: bytes, tmp_path_factory: object, place: int, added: bytes
    ) -> None:
        place %= len(sample) + 1
        refused(sample[:place] + added + sample[place:], tmp_path_factory)

    @settings(max_examples=60)
    @given(place=st.integers(0), length=st.integers(1, 200))
    def test_bytes_that_are_left_out_are_refused(
        self, sample: bytes, tmp_path_factory: object, place: int, length: int
    ) -> None:
        place %= len(sample)
        refused(sample[:place] + sample[place + length :], tmp_path_factory)

    def test_every_single_byte_of_the_first_and_last_hundred_counts(
        self, sample: bytes, tmp_path_factory: object
    ) -> None:
        for place in (*range(100), *range(len(sample) - 200, len(sample))):
            changed = bytearray(sample)
            changed[place] ^= 0xFF
            refused(bytes(changed), tmp_path_factory)

    def test_two_dumps_joined_are_refused(self, sample: bytes, tmp_path_factory: object) -> None:
        refused(sample + sample, tmp_path_factory)

    @pytest.mark.parametrize(
        "foreign", [b"", b"{}", gzip.compress(b"{}\n"), b"PK\x03\x04" + bytes(100), bytes(5_000)], ids=range(5)
    )
    def test_a_foreign_file_is_refused(self, foreign: bytes, tmp_path_factory: object) -> None:
        assert "no dump" in refused(foreign, tmp_path_factory)

    def test_a_newer_format_is_named(self, tmp_path: Path) -> None:
        assert "format 2" in refused(_made(tmp_path, {"wherry_dump": 2}), None, tmp_path)

    def test_parts_that_do_not_belong_together_are_refused(self, tmp_path: Path) -> None:
        assert "belong together" in refused(_made(tmp_path, _HEAD, documents=7), None, tmp_path)

    @pytest.mark.parametrize(
        "crafted",
        [
            {"data": [_ROW, b'["migration_state",{"_id":"current","_rev":"1"}]\n']},
            {"data": [_ROW + b'["migration_state",{"_id":"current","_rev":"1"}]\n']},
            {"data": [_ROW, b'["notes",{"_id":"a","_rev":"1"}]\n', _ROW], "names": ("harbours", "notes")},
            {"names": ("harbours", "migration_state")},
            {"names": ("harbours", "harbours")},
            {"head": {"wherry_dump": 1}},
            {"head": {**_HEAD, "collections": [{"name": "harbours"}]}},
            {"head": 3},
            {"tally": b"{\n"},
            {"tally": b'["harbours"]\n'},
            {"tally": b'["A b/",1,1,""]\n'},
            {"end": b"{\n"},
            {"end": b"[]\n"},
            {"end": b'{"documents":1,"collections":{"harbours":2}}\n'},
            {"data": [b"7\n"]},
        ],
        ids=range(15),
    )
    def test_what_no_dump_holds_is_refused_whatever_its_digests_say(
        self, tmp_path: Path, crafted: dict[str, Any]
    ) -> None:
        refused(_crafted(tmp_path, **crafted), None, tmp_path)

    def test_what_a_dump_does_hold_is_not(self, tmp_path: Path) -> None:
        """What the crafted ones differ from."""
        (tmp_path / "a.dump").write_bytes(_crafted(tmp_path))
        with DumpReader(tmp_path / "a.dump") as reader:
            assert reader.check().blocks == {"harbours": (1, 1)}


def refused(data: bytes, factory: object, folder: Path | None = None) -> str:
    """Restore the bytes: they must be refused, with the target untouched; answers the sentence."""
    if folder is None:
        assert isinstance(factory, pytest.TempPathFactory)
        folder = factory.getbasetemp()
    path = folder / "damaged.dump"
    path.write_bytes(data)
    target = open_database("memory:", SCHEMA)
    with pytest.raises(DumpDamaged) as refusal:
        restore(path, target, RestoreOptions(), Silent())
    assert target.collections() == []
    assert str(path) in str(refusal.value)
    return str(refusal.value)


def _crafted(
    folder: Path,
    head: object = None,
    names: tuple[str, ...] = ("harbours",),
    data: Sequence[bytes] = (_ROW,),
    tally: bytes = b'["harbours",1,1,""]\n',
    end: bytes = b"",
) -> bytes:
    """A dump with good digests, whatever is in it."""
    collections = [{"name": name, "scope": "installation", "indexes": []} for name in names]
    counts = {name: sum(block.count(b'["%b"' % name.encode()) for block in data) for name in names}
    with DumpWriter(folder / "crafted.dump", force=True) as writer:
        writer.add(HEAD, orjson.dumps(head or {**_HEAD, "collections": collections}) + b"\n")
        for block in data:
            writer.add(DATA, block)
        writer.add(TALLY, tally)
        writer.add(END, end or orjson.dumps({"documents": b"".join(data).count(b"\n"), "collections": counts}) + b"\n")
        writer.finish()
    return (folder / "crafted.dump").read_bytes()


def _made(folder: Path, head: Document, documents: int = 0) -> bytes:
    with DumpWriter(folder / "made.dump") as writer:
        writer.add(HEAD, orjson.dumps(head) + b"\n")
        writer.add(DATA, _ROW)
        writer.add(END, orjson.dumps({"documents": documents, "collections": {}}) + b"\n")
        writer.finish()
    return (folder / "made.dump").read_bytes()


class TestRoundTrip:
    @settings(max_examples=60)
    @given(boats=_DOCUMENTS, harbours=_DOCUMENTS)
    def test_what_is_dumped_is_restored_equal(
        self, tmp_path_factory: pytest.TempPathFactory, boats: dict[str, Document], harbours: dict[str, Document]
    ) -> None:
        source, target = open_database("memory:", SCHEMA), open_database("memory:", SCHEMA)
        for path, documents in (("t1/boats", boats), ("té/boats", boats), ("harbours", harbours)):
            for id, document in documents.items():
                source.save(path, id, document)
        file = tmp_path_factory.getbasetemp() / "round.dump"
        dump(source, file, DumpOptions(force=True), Silent())
        restore(file, target, RestoreOptions(), Silent())
        assert held(target) == held(source)

    def test_it_is_plain_gzip_of_json_lines(self, sample: bytes) -> None:
        lines = [orjson.loads(line) for line in gzip.decompress(sample).splitlines()]
        assert lines[0]["wherry_dump"] == 1
        assert lines[1][0] == "t1/boats" or lines[1][0] in {"harbours", "t2/boats"}
        assert lines[-1]["documents"] == 85

    def test_the_same_lines_make_the_same_member(self) -> None:
        assert pack(1, DATA, b"a\n" * 500) == pack(1, DATA, b"a\n" * 500, LEVEL)
        assert pack(1, DATA, b"a\n") != pack(2, DATA, b"a\n")
        assert gzip.decompress(seal(bytes(32))) == b""


class TestWriter:
    def test_only_a_finished_file_is_there(self, tmp_path: Path) -> None:
        path = tmp_path / "a.dump"
        with DumpWriter(path) as writer:
            writer.add(HEAD, b"{}\n")
            assert not path.exists()
        assert list(tmp_path.iterdir()) == []

    def test_an_error_leaves_nothing(self, tmp_path: Path) -> None:
        def interrupted() -> None:
            with DumpWriter(tmp_path / "a.dump") as writer:
                writer.add(HEAD, b"{}\n")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert list(tmp_path.iterdir()) == []

    def test_only_its_owner_may_read_it(self, tmp_path: Path) -> None:
        _made(tmp_path, {})
        assert (tmp_path / "made.dump").stat().st_mode & 0o777 == 0o600

    def test_a_file_is_replaced_only_when_asked(self, tmp_path: Path) -> None:
        path = tmp_path / "a.dump"
        path.write_text("mine")
        with pytest.raises(TransferRefused, match="exists already"), DumpWriter(path):
            pass
        assert path.read_text() == "mine"
        with DumpWriter(path, force=True) as writer:
            writer.add(HEAD, b"{}\n")
            writer.finish()
        assert path.read_bytes().startswith(b"\x1f\x8b")

    def test_one_that_somebody_else_makes_meanwhile_is_not_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "a.dump"
        with DumpWriter(path) as writer:
            path.write_text("theirs")
            with pytest.raises(TransferRefused, match="meanwhile"):
                writer.finish()
        assert path.read_text() == "theirs"
        assert [one.name for one in tmp_path.iterdir()] == ["a.dump"]

    def test_a_disk_that_is_full_is_told(self, tmp_path: Path) -> None:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("no /dev/full here")
        with DumpWriter(tmp_path / "full.dump") as writer:
            assert writer._file is not None
            writer._file.close()
            writer._file = full.open("wb", buffering=0)
            with pytest.raises(TransferRefused, match="No space left"):
                writer.finish()

    def test_blocks_are_read_from_a_number_on(self, sample: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.dump").write_bytes(sample)
        with DumpReader(tmp_path / "a.dump") as reader:
            assert reader.check().blocks == {"boats": (1, 1), "harbours": (2, 2), "notes": (3, 3)}
            assert [number for number, *_ in reader.blocks()] == [1, 2, 3]
            assert [number for number, *_ in reader.blocks(3)] == [3]
