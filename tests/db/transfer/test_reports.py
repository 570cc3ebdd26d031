"""Signed reports, and the commands verify and check-report."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from app.db import open_database
from app.db.cli import db_commands
from app.db.flask_ext import install_database
from app.db.transfer.errors import TransferRefused
from app.db.transfer.reports import ReportUnsound, read_report, write_report
from tests.db.transfer.kit import SCHEMA, carry, harbour, sqlite

KEY = "a key that nobody knows, of some length"
REPORT = {"equal": True, "documents": {"source": 3, "target": 3}}
Run = Callable[..., Result]


class TestReports:
    def test_what_was_written_is_read_back(self, tmp_path: Path) -> None:
        write_report(tmp_path / "r.json", REPORT, KEY)
        assert read_report(tmp_path / "r.json", [KEY]) == REPORT
        assert read_report(tmp_path / "r.json", ["new", KEY]) == REPORT

    def test_only_its_owner_may_read_it_and_nothing_else_is_left(self, tmp_path: Path) -> None:
        write_report(tmp_path / "r.json", REPORT, KEY)
        write_report(tmp_path / "r.json", REPORT, KEY)
        assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
        assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600

    def test_another_key_is_refused(self, tmp_path: Path) -> None:
        write_report(tmp_path / "r.json", REPORT, KEY)
        with pytest.raises(ReportUnsound, match="signature"):
            read_report(tmp_path / "r.json", ["another", ""])

    def test_a_changed_report_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        write_report(path, REPORT, KEY)
        path.write_text(path.read_text().replace("true", "false"))
        with pytest.raises(ReportUnsound, match="changed"):
            read_report(path, [KEY])

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"report": 1}', '{"report": 1, "signature": "x"}', "\udcff"])
    def test_what_is_no_report_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "r.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(ReportUnsound):
            read_report(tmp_path / "r.json", [KEY])
        with pytest.raises(ReportUnsound, match="cannot be read"):
            read_report(tmp_path / "none.json", [KEY])

    def test_a_place_that_cannot_be_written_and_a_missing_key_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(TransferRefused, match="cannot be written"):
            write_report(tmp_path / "none" / "r.json", REPORT, KEY)
        with pytest.raises(TransferRefused, match="SECRET_KEY"):
            write_report(tmp_path / "r.json", REPORT, "")


@pytest.fixture
def run() -> Run:
    app = Flask("boats")
    app.config["SECRET_KEY"] = KEY
    install_database(app, open_database("memory:", SCHEMA))

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(db_commands, [str(one) for one in arguments], obj=ScriptInfo(create_app=lambda: app))

    return invoke


@pytest.fixture
def urls(tmp_path: Path) -> tuple[str, str]:
    """A source and its copy."""
    source, target = sqlite(tmp_path / "source.db"), sqlite(tmp_path / "target.db")
    harbour(source)
    carry(source, target)
    source.close()
    target.close()
    return f"sqlite:///{tmp_path / 'source.db'}", f"sqlite:///{tmp_path / 'target.db'}"


def differ(tmp_path: Path) -> None:
    target = sqlite(tmp_path / "target.db")
    target.save("t1/boats", "b00003", {"name": "changed"})
    target.close()


class TestVerify:
    def test_equal_databases_end_with_0(self, run: Run, urls: tuple[str, str]) -> None:
        result = run("verify", *urls)
        assert result.exit_code == 0, result.output
        assert "Equal: every document" in result.stdout
        assert "55 documents" in result.stdout

    def test_a_difference_is_told_and_ends_with_1(self, run: Run, urls: tuple[str, str], tmp_path: Path) -> None:
        differ(tmp_path)
        result = run("verify", *urls)
        assert result.exit_code == 1
        assert "t1/boats: 1 different" in result.stdout
        assert 'name: "boat 3" | "changed"' in result.stdout
        told = json.loads(run("verify", *urls, "--json").stdout)
        assert (told["equal"], told["differing"]) == (False, {"different": 1})
        assert told["differences"][0]["id"] == "b00003"

    def test_as_many_differences_are_told_of_as_are_asked_for(
        self, run: Run, urls: tuple[str, str], tmp_path: Path
    ) -> None:
        target = sqlite(tmp_path / "target.db")
        for document in list(target.list_all("t1/boats")):
            target.delete("t1/boats", document["_id"])
        target.close()
        for asked, shown, more in (((), 25, ""), (("--list", 24), 24, "... and 1 more"), (("--list", 0), 0, "25 more")):
            result = run("verify", *urls, *asked)
            assert result.stdout.count("': missing in the target") == shown
            assert more in result.stdout if more else "..." not in result.stdout
        assert run("verify", *urls, "--list", -1).exit_code == 2

    def test_a_narrowed_success_says_within_what(self, run: Run, urls: tuple[str, str], tmp_path: Path) -> None:
        path = tmp_path / "report.json"
        result = run("verify", *urls, "--collections", "boats", "--tenants", "t1,t2", "--report", path)
        assert "Equal within: collections boats; tenants t1, t2." in result.stdout
        assert "equal within: collections boats; tenants t1, t2." in run("check-report", path).stdout

    def test_an_unset_variable_selects_nothing(self, run: Run, urls: tuple[str, str]) -> None:
        for option in ("--tenants", "--collections"):
            result = run("verify", *urls, option, "")
            assert (result.exit_code, option in result.stderr) == (1, True)

    def test_a_repair_ends_with_0(self, run: Run, urls: tuple[str, str], tmp_path: Path) -> None:
        differ(tmp_path)
        result = run("verify", *urls, "--repair")
        assert result.exit_code == 0, result.output
        assert "1 documents written" in result.stdout
        assert run("verify", *urls).exit_code == 0

    def test_the_report_is_signed_and_can_be_checked(self, run: Run, urls: tuple[str, str], tmp_path: Path) -> None:
        path = tmp_path / "report.json"
        assert run("verify", *urls, "--report", path).exit_code == 0
        assert orjson.loads(path.read_bytes())["report"]["documents"] == {"source": 55, "target": 55}
        checked = run("check-report", path)
        assert (checked.exit_code, "were equal" in checked.stdout) == (0, True)
        assert json.loads(run("check-report", path, "--json").stdout)["equal"] is True
        path.write_text(path.read_text().replace("55", "56"))
        refused = run("check-report", path)
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)

    def test_a_report_of_a_difference_is_written_too(self, run: Run, urls: tuple[str, str], tmp_path: Path) -> None:
        differ(tmp_path)
        assert run("verify", *urls, "--report", tmp_path / "report.json").exit_code == 1
        assert "NOT equal" in run("check-report", tmp_path / "report.json").stdout

    def test_one_database_twice_is_refused(self, run: Run, urls: tuple[str, str]) -> None:
        assert "same database" in run("verify", urls[0], urls[0]).stderr

    @pytest.mark.parametrize("transferred", [True, False])
    def test_one_database_by_two_names_is_refused(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transferred: bool
    ) -> None:
        """clearly_same cannot know every name: a hard link stands for the alias of a host."""
        source = sqlite(tmp_path / "source.db")
        harbour(source)
        if transferred:
            carry(source, open_database("memory:", SCHEMA))
        source.close()
        (tmp_path / "alias.db").hardlink_to(tmp_path / "source.db")
        urls = f"sqlite:///{tmp_path / 'source.db'}", f"sqlite:///{tmp_path / 'alias.db'}"
        report = tmp_path / "r.json"
        for json_too in ((), ("--json",)):
            result = run("verify", *urls, "--report", report, *json_too)
            assert (result.exit_code, result.stdout, report.exists()) == (1, "", False)
            assert "--same-origin" in result.stderr

    @pytest.mark.parametrize("transferred", [True, False])
    def test_a_copy_of_the_file_is_compared_when_told_so(self, run: Run, tmp_path: Path, transferred: bool) -> None:
        source = sqlite(tmp_path / "source.db")
        harbour(source)
        if transferred:
            carry(source, open_database("memory:", SCHEMA))
        source.close()
        shutil.copy(tmp_path / "source.db", tmp_path / "copy.db")
        urls = f"sqlite:///{tmp_path / 'source.db'}", f"sqlite:///{tmp_path / 'copy.db'}"
        refused = run("verify", *urls)
        assert (refused.exit_code, "--same-origin" in refused.stderr) == (1, True)
        report = tmp_path / "r.json"
        told = json.loads(run("verify", *urls, "--same-origin", "--json", "--report", report).stdout)
        assert (told["equal"], told["same_origin"]) == (True, True)
        assert told["identities"]["source"] == told["identities"]["target"]
        assert "said by --same-origin" in run("check-report", report).stdout
        assert run("verify", *urls, "--same-origin", "--repair").exit_code == 0

    def test_the_report_names_both_identities(self, run: Run, urls: tuple[str, str]) -> None:
        told = json.loads(run("verify", *urls, "--json").stdout)
        assert len({told["identities"]["source"], told["identities"]["target"], None}) == 3
        assert told["same_origin"] is False

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("--collections", "baots"), "baots"),
            (("--remove-extra",), "--repair"),
            (("--report", "/none/at/all.json"), "/none/at/all.json"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, run: Run, urls: tuple[str, str], arguments: tuple[str, ...], named: str
    ) -> None:
        result = run("verify", *urls, *arguments)
        assert result.exit_code != 0
        assert named in result.stderr

    def test_a_database_that_is_not_there_is_named(self, run: Run, urls: tuple[str, str], tmp_path: Path) -> None:
        result = run("verify", urls[0], f"sqlite:///{tmp_path / 'none.db'}", "--patience", "0.1")
        assert result.exit_code == 1
        assert not (tmp_path / "none.db").exists()
