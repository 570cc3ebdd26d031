import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.config import Settings, SettingsError, load_settings
from app.config_key import FILE_NAME, development_key

ROOT = Path(__file__).resolve().parent.parent
KEY = "abcdefgh-ijklmnop-qrstuvwx-12345678-90"
Load = Callable[..., Settings]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the repository's own settings files, to be spoilt."""
    for name in ("settings.toml", ".secrets.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def load(root: Path) -> Load:
    """load_settings on that folder, with exactly the variables that are given."""

    def loader(overrides: dict[str, Any] | None = None, **variables: str) -> Settings:
        return load_settings(overrides, root=root, environ=variables)

    return loader


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


class TestSources:
    def test_development_is_the_environment_when_none_is_chosen(self, load: Load) -> None:
        assert load().env == "development"

    def test_an_environment_lays_its_section_over_the_default(self, load: Load) -> None:
        assert load(WHERRY_ENV="testing").database_provider == "memory"
        assert load(WHERRY_ENV="production", WHERRY_SECRET_KEY=KEY).host == "0.0.0.0"

    def test_each_source_wins_over_the_one_before(self, load: Load, root: Path) -> None:
        assert load().port == 8000
        append(root / "settings.local.toml", "[default]\nPORT = 8001\n")
        assert load().port == 8001
        append(root / ".env", "WHERRY_PORT=8002\n")
        assert load().port == 8002
        assert load(WHERRY_PORT="8003").port == 8003
        assert load({"PORT": 8004}, WHERRY_PORT="8003").port == 8004

    def test_dotenv_does_not_change_the_environment_of_the_process(self, load: Load, root: Path) -> None:
        append(root / ".env", "WHERRY_PORT=8002\nUNRELATED=1\n")
        load()
        assert "WHERRY_PORT" not in os.environ
        assert "UNRELATED" not in os.environ

    def test_dotenv_may_choose_the_environment(self, load: Load, root: Path) -> None:
        append(root / ".env", f"WHERRY_ENV=production\nWHERRY_SECRET_KEY={KEY}\n")
        assert load().env == "production"

    def test_local_secrets_lie_over_the_empty_ones(self, load: Load, root: Path) -> None:
        append(root / ".secrets.local.toml", f'[default]\nSECRET_KEY = "{KEY}"\nCOUCHDB_PASSWORD = "p"\n')
        settings = load()
        assert (settings.secret_key, settings.couchdb_password) == (KEY, "p")

    def test_an_empty_variable_does_not_replace_a_value(self, load: Load, root: Path) -> None:
        append(root / ".secrets.local.toml", f'[default]\nSECRET_KEY = "{KEY}"\n')
        settings = load(WHERRY_SECRET_KEY="", WHERRY_HOST="")
        assert (settings.secret_key, settings.host) == (KEY, "127.0.0.1")

    @pytest.mark.parametrize("text", ["1e5", "true", "@jinja {{ 7 * 7 }}", "@int 7", "007", '"quoted"', " spaced "])
    def test_a_secret_is_taken_exactly_as_it_is_written(self, load: Load, root: Path, text: str) -> None:
        assert load(WHERRY_COUCHDB_PASSWORD=text).couchdb_password == text
        append(root / ".secrets.local.toml", f"[default]\nCOUCHDB_PASSWORD = '{text}'\n")
        assert load().couchdb_password == text

    def test_a_text_in_a_variable_stays_a_text(self, load: Load) -> None:
        assert load(WHERRY_COUCHDB_USER="1e5").couchdb_user == "1e5"

    @pytest.mark.parametrize("text", ["agents,hosts", "agents, hosts", '["agents", "hosts"]'])
    def test_a_list_may_be_written_with_commas_or_as_toml(self, load: Load, text: str) -> None:
        assert load(WHERRY_MODULES=text).modules == ("agents", "hosts")

    @pytest.mark.parametrize("name", ["SQLite", "sqlite", "SQLITE", " sqlite "])
    def test_the_provider_is_read_in_any_case(self, load: Load, name: str) -> None:
        assert load(WHERRY_DATABASE_PROVIDER=name).database_provider == "sqlite"

    def test_a_relative_instance_path_begins_at_the_settings_file(self, load: Load, root: Path) -> None:
        assert load().instance_path == root / "instance"
        assert load(WHERRY_INSTANCE_PATH="elsewhere").instance_path == root / "elsewhere"

    def test_whoever_moves_the_instance_moves_the_database_with_it(
        self, load: Load, root: Path, tmp_path: Path
    ) -> None:
        assert load().sqlite_path == root / "instance" / "wherry.sqlite3"
        assert load(WHERRY_INSTANCE_PATH=str(tmp_path / "i")).sqlite_path == tmp_path / "i" / "wherry.sqlite3"
        assert load(WHERRY_SQLITE_PATH="w.db").sqlite_path == root / "instance" / "w.db"
        assert load(WHERRY_SQLITE_PATH="/data/w.db").sqlite_path == Path("/data/w.db")

    def test_sqlite_in_memory_is_refused_with_what_to_take_instead(self, load: Load) -> None:
        with pytest.raises(SettingsError, match=r"SQLITE_PATH must be a file: .* DATABASE_PROVIDER"):
            load(WHERRY_SQLITE_PATH=":memory:")

    def test_variables_that_kubernetes_adds_for_a_service_are_not_settings(self, load: Load) -> None:
        assert load(WHERRY_SERVICE_HOST="10.0.0.1", WHERRY_PORT_8000_TCP_ADDR="10.0.0.1").port == 8000

    def test_two_applications_may_have_different_settings(self, load: Load) -> None:
        one, two = load({"PORT": 1111}), load({"PORT": 2222})
        assert (one.port, two.port) == (1111, 2222)

    def test_settings_cannot_be_changed(self, load: Load) -> None:
        with pytest.raises(ValueError, match="frozen"):
            load().port = 1  # type: ignore[misc]

    def test_secrets_do_not_show_in_the_text_of_the_object(self, load: Load) -> None:
        text = repr(load(WHERRY_SECRET_KEY=KEY, WHERRY_SECRET_KEY_FALLBACKS=f"{KEY}2", WHERRY_COUCHDB_PASSWORD="hush"))
        assert KEY not in text
        assert "hush" not in text


class TestRefusals:
    @pytest.mark.parametrize(
        ("variables", "words"),
        [
            ({"WHERRY_PORT": "70000"}, ["PORT", "65535", "70000", "the variable WHERRY_PORT"]),
            ({"WHERRY_PORT": "abc"}, ["PORT", "integer", "abc"]),
            ({"WHERRY_DEBUG": "maybe"}, ["DEBUG", "maybe"]),
            ({"WHERRY_PROT": "1"}, ["WHERRY_PROT", "no setting", "PORT"]),
            ({"WHERRY_DATABASE_PROVIDER": "mongo"}, ["DATABASE_PROVIDER", "sqlite", "mongo"]),
            ({"WHERRY_DATABASE_PROVIDER": "dynamodb"}, ["DYNAMODB_REGION"]),
            ({"WHERRY_DATABASE_PROVIDER": "firestore"}, ["FIRESTORE_PROJECT"]),
            ({"WHERRY_COUCHDB_URL": "localhost:5984"}, ["COUCHDB_URL", "http://"]),
            ({"WHERRY_SECRET_KEY": "too-short"}, ["SECRET_KEY", "32"]),
            ({"WHERRY_SECRET_KEY_FALLBACKS": "too-short"}, ["SECRET_KEY_FALLBACKS", "32"]),
            ({"WHERRY_SESSION_ABSOLUTE_TIMEOUT": "60"}, ["SESSION_ABSOLUTE_TIMEOUT", "SESSION_IDLE_TIMEOUT"]),
            ({"WHERRY_MODULES": "[broken"}, ["MODULES", "TOML"]),
            ({"WHERRY_ENV": "prod"}, ["WHERRY_ENV", "production", "prod"]),
            ({"WHERRY_PORT": "tcp://10.0.0.1:8000"}, ["WHERRY_PORT", "enableServiceLinks"]),
        ],
    )
    def test_a_bad_variable_is_one_sentence_that_names_it(
        self, load: Load, variables: dict[str, str], words: list[str]
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            load(**variables)
        text = str(caught.value)
        assert [word for word in words if word not in text] == []
        assert "\n" not in text
        assert "too-short" not in text

    def test_an_unknown_override_is_refused(self, load: Load) -> None:
        with pytest.raises(SettingsError, match="PROT names no setting; did you mean PORT"):
            load({"PROT": 1})

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[default]\n\nPORT = \n", ["settings.local.toml, line 3", "PORT", "TOML"]),
            ("[default]\nPORT = 1\nPORT = 2\n", ["settings.local.toml, line 3", "PORT"]),
            ('[default]\nHOST = "unclosed\n', ["settings.local.toml, line 2", "HOST"]),
            ("[default]\nPORTT = 1\n", ["settings.local.toml, line 2", "PORTT", "PORT?"]),
            ("[default]\n# a comment\nPORT = 99999\n", ["settings.local.toml, line 3", "PORT", "99999"]),
            ("[development]\nTHREADS = 'many'\n", ["settings.local.toml, line 2", "THREADS", "many"]),
            ("PORT = 1\n", ["settings.local.toml", "PORT", "[default]"]),
            ("[prodution]\nPORT = 1\n", ["settings.local.toml", "[prodution]", "production"]),
            (f'[default]\nSECRET_KEY = "{KEY}"\n', ["SECRET_KEY", ".secrets.local.toml"]),
        ],
    )
    def test_a_broken_file_is_named_with_line_and_setting(
        self, load: Load, root: Path, text: str, words: list[str]
    ) -> None:
        append(root / "settings.local.toml", text)
        with pytest.raises(SettingsError) as caught:
            load()
        assert [word for word in words if word not in str(caught.value)] == []
        assert KEY not in str(caught.value)

    def test_a_broken_line_of_the_secrets_file_does_not_show_the_secret(self, load: Load, root: Path) -> None:
        append(root / ".secrets.local.toml", "[default]\nCOUCHDB_PASSWORD = hush-hush\n")
        with pytest.raises(SettingsError) as caught:
            load()
        assert "line 2 (COUCHDB_PASSWORD)" in str(caught.value)
        assert "hush" not in str(caught.value)

    def test_a_setting_that_was_deleted_from_the_file_is_named(self, load: Load, root: Path) -> None:
        file = root / "settings.toml"
        file.write_text(file.read_text(encoding="utf-8").replace("\nPORT = 8000\n", "\n"), encoding="utf-8")
        with pytest.raises(SettingsError, match="PORT is missing"):
            load()

    def test_a_folder_without_settings_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"no settings\.toml in .*WHERRY_ROOT"):
            load_settings(root=tmp_path / "empty", environ={})


class TestProduction:
    GOOD: ClassVar = {"WHERRY_ENV": "production", "WHERRY_SECRET_KEY": KEY}

    def test_production_starts_with_a_key(self, load: Load) -> None:
        settings = load(**self.GOOD)
        assert settings.cookie_secure
        assert not settings.debug
        assert not settings.database_create_missing

    @pytest.mark.parametrize(
        ("variables", "words"),
        [
            ({"WHERRY_SECRET_KEY": ""}, "SECRET_KEY is needed"),
            ({"WHERRY_SECRET_KEY": "short"}, "SECRET_KEY must have at least 32"),
            ({"WHERRY_SECRET_KEY": "x" * 40}, "SECRET_KEY must be random"),
            ({"WHERRY_DEBUG": "true"}, "DEBUG must be false"),
            ({"WHERRY_DATABASE_PROVIDER": "memory"}, "WORKERS must be 1"),
            ({"WHERRY_PASSWORD_HASH_MEMORY": "8"}, "PASSWORD_HASH_MEMORY"),
        ],
    )
    def test_production_refuses(self, load: Load, variables: dict[str, str], words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            load(**{**self.GOOD, **variables})

    def test_the_memory_provider_is_allowed_with_one_worker(self, load: Load) -> None:
        settings = load(**self.GOOD, WHERRY_DATABASE_PROVIDER="memory", WHERRY_WORKERS="1")
        assert settings.database_provider == "memory"

    def test_production_makes_no_key_of_its_own(self, load: Load, root: Path) -> None:
        with pytest.raises(SettingsError, match="SECRET_KEY"):
            load(WHERRY_ENV="production")
        assert not (root / "instance").exists()


class TestDevelopmentKey:
    def test_it_is_made_once_for_its_owner_only(self, load: Load, root: Path) -> None:
        first = load().secret_key
        file = root / "instance" / FILE_NAME
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert load().secret_key == first
        assert len(first) >= 32
        assert [path.name for path in file.parent.iterdir()] == [FILE_NAME]

    def test_workers_that_start_together_get_the_same_key(self, tmp_path: Path) -> None:
        together = threading.Barrier(8)
        keys: list[str] = []

        def start() -> None:
            together.wait()
            keys.append(development_key(tmp_path))

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(keys) == 8
        assert len(set(keys)) == 1

    def test_tests_write_nothing(self, load: Load, root: Path) -> None:
        assert load(WHERRY_ENV="testing").secret_key != load(WHERRY_ENV="testing").secret_key
        assert not (root / "instance").exists()

    def test_a_folder_that_cannot_be_made_is_one_sentence(self, load: Load, root: Path) -> None:
        (root / "instance").write_text("a file, not a folder")
        with pytest.raises(SettingsError, match="SECRET_KEY is not set and the development key"):
            load()
