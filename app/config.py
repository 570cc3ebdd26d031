"""Reads the settings: Dynaconf's files and environments, `.env`, variables; then one checked, frozen `Settings`.

`load_settings` may be called any number of times in one process and changes nothing outside: there is no module-level
object, and `.env` is read without touching the process's environment. Every mistake is a `SettingsError` of one
sentence that names the setting and where its value stands.

Texts and secrets are taken exactly as written. Dynaconf would read `1e5`, `true` or `@jinja ...` in a variable as
something else, and would let an empty one replace a value; here only numbers, switches and lists are parsed, and an
empty variable counts as absent.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from dynaconf import Dynaconf
from dynaconf.vendor.dotenv import dotenv_values
from pydantic import ValidationError

from app.config_files import SECTIONS, SettingsError, SettingsFile, read_file
from app.config_key import development_key
from app.settings import Environment, Settings

__all__ = ["Settings", "SettingsError", "load_settings", "setting_names"]

PREFIX = "WHERRY_"
FILES = ("settings.toml", "settings.local.toml", ".secrets.toml", ".secrets.local.toml")
SECRETS = frozenset({"SECRET_KEY", "SECRET_KEY_FALLBACKS", "COUCHDB_PASSWORD"})
CONTROLS = frozenset({"ENV", "ROOT", "REQUIRE"})
"""Variables with the prefix that are not settings: the environment, the folder of settings.toml, the tests' own."""

_KUBERNETES = re.compile(r"(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_\w+)?)$")
_RAW = frozenset(name.upper() for name, field in Settings.model_fields.items() if "str" in str(field.annotation))


def setting_names() -> frozenset[str]:
    """Every setting, in upper case."""
    return frozenset(name.upper() for name in Settings.model_fields) - {"ENV", "ROOT"}


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    env: str | None = None,
    root: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of one application.

    `overrides` are values by name in upper case, stronger than everything else; `"ENV"` among them chooses the
    environment like `env`. `root` is the folder of settings.toml: by default WHERRY_ROOT, else the folder above `app/`,
    else the current one. `environ` stands for the process's variables. Raises SettingsError.

    In development without a SECRET_KEY one is made under INSTANCE_PATH: the only thing this function ever writes.
    """
    given = dict(overrides or {})
    variables = dict(os.environ if environ is None else environ)
    folder = _root(root, variables)
    variables = _with_dotenv(folder, variables)
    environment = _environment(given.pop("ENV", None) or env or variables.get(f"{PREFIX}ENV") or "development")
    files = [read_file(folder / name) for name in FILES if (folder / name).is_file()]
    known = setting_names()
    for file in files:
        file.check(known, SECRETS)

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    dynaconf = _take_files(files, folder, environment, values, sources)
    _take_variables(variables, known, dynaconf, values, sources)
    for name, value in given.items():
        _check_known(name, known, f"the override {name}")
        values[name], sources[name] = value, "an override"

    missing = sorted(known - values.keys())
    if missing:
        raise SettingsError(f"{folder / 'settings.toml'}: {missing[0]} is missing from the section [default]")
    _make_paths_absolute(values, folder)
    if not values["SECRET_KEY"] and environment != "production":
        values["SECRET_KEY"] = development_key(Path(values["INSTANCE_PATH"]), in_memory=environment == "testing")
    return _checked({**values, "ENV": environment, "ROOT": folder}, sources)


def _root(root: Path | str | None, variables: Mapping[str, str]) -> Path:
    given = root or variables.get(f"{PREFIX}ROOT")
    above = Path(__file__).resolve().parent.parent
    folder = Path(given) if given else (above if (above / FILES[0]).is_file() else Path.cwd())
    if not (folder / FILES[0]).is_file():
        raise SettingsError(f"There is no settings.toml in {folder}; WHERRY_ROOT names the folder that has it")
    return folder.resolve()


def _with_dotenv(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """The variables with those of `.env` beneath them."""
    path = folder / ".env"
    if not path.is_file():
        return variables
    try:
        found: dict[str, str | None] = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    return {**{name: value for name, value in found.items() if value is not None}, **variables}


def _environment(name: object) -> Environment:
    wanted = str(name).strip().lower()
    for environment in get_args(Environment):
        if environment == wanted:
            found: Environment = environment
            return found
    raise SettingsError(f"WHERRY_ENV must be development, testing or production, not {name!r}")


def _take_files(
    files: list[SettingsFile], folder: Path, environment: str, values: dict[str, Any], sources: dict[str, str]
) -> Any:
    """Fill values and sources from the files; answers the Dynaconf object, which also parses the variables."""
    merged = Dynaconf(
        root_path=str(folder),
        settings_files=[str(file.path) for file in files],
        environments=True,
        force_env=environment,
        envvar_prefix=PREFIX.rstrip("_"),
        load_dotenv=False,
        loaders=[],
        core_loaders=["TOML"],
        warn_dynaconf_global=False,
    )
    try:
        values.update((name, merged.get(name)) for name in setting_names() if merged.exists(name))
    except ImportError as error:  # a source that Dynaconf was told to read, such as Vault, needs a package
        raise SettingsError(f"The settings cannot be read: {error}") from error
    for file in files:
        for section in SECTIONS.for_environment(environment):
            for name, value in file.section(section).items():
                sources[name] = file.place(name, section)
                # Dynaconf turns "@..." in a file into something else: a secret is what stands there.
                if name in SECRETS and value:
                    values[name] = value
    return merged


def _take_variables(
    variables: Mapping[str, str],
    known: frozenset[str],
    dynaconf: Any,
    values: dict[str, Any],
    sources: dict[str, str],
) -> None:
    for variable in sorted(variables):
        name = variable.removeprefix(PREFIX)
        text = variables[variable]
        if name == variable or name in CONTROLS or not text or _KUBERNETES.match(name):
            continue
        _check_known(name, known, f"The variable {variable}")
        if name in _RAW or name in SECRETS:
            values[name] = text
        else:
            dynaconf.set(name, text, tomlfy=True)
            values[name] = dynaconf.get(name)
        sources[name] = f"the variable {variable}"
        if name == "PORT" and text.startswith("tcp://"):
            raise SettingsError(
                "The variable WHERRY_PORT was set by Kubernetes for a service named wherry: set enableServiceLinks to "
                "false in the pod, or give the service another name"
            )


def _check_known(name: str, known: frozenset[str], what: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise SettingsError(f"{what} names no setting" + (f"; did you mean {near[0]}?" if near else ""))


def _make_paths_absolute(values: dict[str, Any], folder: Path) -> None:
    """INSTANCE_PATH starts at the settings' folder, SQLITE_PATH at INSTANCE_PATH: who moves the one moves both."""
    for name in ("INSTANCE_PATH", "SQLITE_PATH"):
        if isinstance(values[name], str | Path):
            folder = values[name] = folder / Path(values[name]).expanduser()


def _checked(values: dict[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings(**{name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ")
    if not first["loc"]:
        raise SettingsError(message)
    name = str(first["loc"][0]).upper()
    message = message.replace("Input should be", "must be", 1)
    shown = "" if name in SECRETS else f", not {first['input']!r}"
    if first["type"] == "value_error" and "not " in message:
        shown = ""
    raise SettingsError(f"{name} {message}{shown} (in {sources.get(name, 'settings.toml')})")
