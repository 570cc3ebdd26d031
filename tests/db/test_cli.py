import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.db import DatabaseService, InvalidQuery, open_database, where
from app.db.capabilities import Finding
from app.db.cli import db_commands
from app.db.cli_query import parse_condition
from app.db.flask_ext import install_database
from tests.app_database import databases
from tests.db.kit import SCHEMA

Run = Callable[..., Result]


@pytest.fixture
def db() -> DatabaseService:
    database = databases().open(SCHEMA, new=True, strict=True)
    for number, name in enumerate("edcba"):
        database.save("t1/boats", f"b{number}", {"name": name, "kind": "tug" if number % 2 else "wherry", "n": number})
    return database


@pytest.fixture
def run(db: DatabaseService) -> Run:
    """Runs ``db ...`` as the application's command line would, and answers the outcome."""
    app = Flask("boats")
    install_database(app, db)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(db_commands, arguments, obj=ScriptInfo(create_app=lambda: app))

    return invoke


def answer(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(result: Result) -> str:
    """The one sentence on standard error."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


class TestGet:
    def test_it_prints_the_document(self, run: Run, db: DatabaseService) -> None:
        assert answer(run("get", "t1/boats", "b1", "--json")) == db.get("t1/boats", "b1")
        assert json.loads(run("get", "t1/boats", "b1").stdout) == db.get("t1/boats", "b1")

    def test_what_is_not_there_is_named(self, run: Run) -> None:
        assert "'b9' in 't1/boats'" in refusal(run("get", "t1/boats", "b9"))
        assert "'b1' in 't2/boats'" in refusal(run("get", "t2/boats", "b1", "--json"))

    def test_a_misspelt_collection_is_named_and_not_created(self, run: Run, db: DatabaseService) -> None:
        assert "There is no collection 'baots'. There are: boats." in refusal(run("get", "t1/baots", "b1"))
        assert [collection.name for collection in db.collections()] == ["boats"]

    def test_a_tenants_collection_needs_its_tenant(self, run: Run) -> None:
        assert "tenant" in refusal(run("get", "boats", "b1"))


class TestQuery:
    def test_a_page_in_order_and_the_next_one(self, run: Run) -> None:
        page = answer(run("query", "t1/boats", "--order-by", "name", "--limit", "3", "--json"))
        assert [document["name"] for document in page["documents"]] == list("abc")
        rest = answer(
            run("query", "t1/boats", "--order-by", "name", "--limit", "3", "--cursor", page["cursor"], "--json")
        )
        assert ([document["name"] for document in rest["documents"]], rest["cursor"]) == (["d", "e"], None)

    def test_conditions_fields_and_direction(self, run: Run) -> None:
        page = answer(
            run(
                "query", "t1/boats", "--where", "kind=wherry", "--where", "n__gte=2", "--order-by", "name",
                "--descending", "--fields", "name, n", "--json",
            )
        )  # fmt: skip
        assert [(document["name"], document["n"]) for document in page["documents"]] == [("c", 2), ("a", 4)]
        assert all("kind" not in document for document in page["documents"])

    def test_for_people_a_document_is_a_line_and_the_cursor_is_said_beside(self, run: Run) -> None:
        result = run("query", "t1/boats", "--limit", "2")
        assert [json.loads(line)["_id"] for line in result.stdout.splitlines()] == ["b0", "b1"]
        assert "--cursor" in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("--where", "kind"), "kind: a condition is FIELD=VALUE"),
            (("--where", "n__above=1"), "n__above: no operator 'above'"),
            (("--where", "n__in=1"), "n__in: in takes a JSON list"),
            (("--where", "_id=1"), "_id"),
            (("--where", "n=1"), "no declared index serves"),
            (("--limit", "0"), "limit"),
            (("--cursor", "made-up"), "cursor"),
            (("--order-by", "n"), "no declared index serves"),
        ],
    )
    def test_what_is_wrong_is_named(self, run: Run, arguments: tuple[str, ...], named: str) -> None:
        assert named in refusal(run("query", "t1/boats", *arguments))


class TestConditions:
    @pytest.mark.parametrize(
        ("text", "condition"),
        [
            ("name=Ann", where("name").eq("Ann")),
            ("name=", where("name").eq("")),
            ("name=a=b", where("name").eq("a=b")),
            ("n=3", where("n").eq(3)),
            ('n="3"', where("n").eq("3")),
            ("gone=null", where("gone").eq(None)),
            ("on=true", where("on").eq(True)),
            ("n__lte=2.5", where("n").lte(2.5)),
            ("n__gt=1", where("n").gt(1)),
            ("n__lt=1", where("n").lt(1)),
            ('name__in=["a","b"]', where("name").in_(["a", "b"])),
            ("name__prefix=1", where("name").prefix("1")),
            ("tags__contains=x", where("tags").contains("x")),
            ("tags__exists=false", where("tags").exists(False)),
            ("address.city=Bonn", where("address.city").eq("Bonn")),
            ("a__b__eq=1", where("a__b").eq(1)),
        ],
    )
    def test_values_are_json_and_else_text(self, text: str, condition: Any) -> None:
        parsed = parse_condition(text)
        assert (parsed, type(parsed.operand)) == (condition, type(condition.operand))

    def test_a_condition_on_nothing_is_refused(self) -> None:
        with pytest.raises(InvalidQuery):
            parse_condition("=1")


class TestOperating:
    def test_prepare_says_what_it_would_do_then_does_it_and_then_has_nothing_to_do(
        self, run: Run, db: DatabaseService
    ) -> None:
        said = answer(run("prepare", "--dry-run", "--json"))
        assert "collection harbours: created" in said["done"]
        assert [collection.name for collection in db.collections()] == ["boats"]
        assert answer(run("prepare", "--json")) == {**said, "dry_run": False}
        assert "Everything is there already." in run("prepare").stdout

    def test_collections(self, run: Run) -> None:
        assert answer(run("collections", "--json")) == [{"name": "boats", "scope": "tenant"}]
        assert "boats" in run("collections").stdout

    def test_doctor_says_that_it_is_well(self, run: Run) -> None:
        run("prepare")
        assert answer(run("doctor", "--json"))["ok"] is True
        assert "reachable" in run("doctor").stdout

    def test_doctor_names_the_remedy_and_fails(self, run: Run, db: DatabaseService) -> None:
        db.doctor = lambda: [Finding("space", False, "the disk is full", "Make room.")]  # type: ignore[method-assign]
        result = run("doctor")
        assert result.exit_code == 1
        assert "FAIL  space: the disk is full" in result.stdout
        assert "Make room." in result.stdout
        failed = run("doctor", "--json")
        assert (failed.exit_code, json.loads(failed.stdout)["ok"]) == (1, False)


class TestRecover:
    def test_recover_has_nothing_to_settle_where_the_database_commits_by_itself(self, run: Run) -> None:
        assert run("recover").stdout == "Nothing was left to settle.\n"
        assert answer(run("recover", "--json")) == {"done": []}

    def test_recover_says_what_it_settled(self, run: Run, db: DatabaseService) -> None:
        db.recover_commits = lambda: ["2 commits that were cut off: aborted"]  # type: ignore[method-assign]
        assert run("recover").stdout == "2 commits that were cut off: aborted\n"


class TestAnotherDatabase:
    def test_a_url_is_used_instead_of_the_configured_database(self, run: Run, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'other.sqlite'}"
        assert "collection boats: created" in run("prepare", "--url", url).stdout
        other = open_database(url, SCHEMA)
        other.save("t1/boats", "x", {"name": "Far"})
        other.close()
        assert answer(run("get", "t1/boats", "x", "--url", url, "--json"))["name"] == "Far"
        page = answer(run("query", "t1/boats", "--order-by", "name", "--url", url, "--json"))
        assert len(page["documents"]) == 1
        assert answer(run("doctor", "--url", url, "--json"))["ok"]

    def test_looking_does_not_create_a_database(self, run: Run, tmp_path: Path) -> None:
        missing = tmp_path / "missing.sqlite"
        refusal(run("get", "t1/boats", "x", "--url", f"sqlite:///{missing}"))
        assert not missing.exists()

    def test_a_url_of_no_backend_is_refused_without_its_password(self, run: Run) -> None:
        said = refusal(run("collections", "--url", "mongodb://me:hush@host/x"))
        assert "mongodb" in said
        assert "hush" not in said
