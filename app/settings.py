"""`Settings`: every setting with its type and its bounds, checked and frozen.

What each one means is written beside its default in settings.toml, and nowhere else; there are no defaults here, so
that the two cannot disagree. Attribute names are the settings' names in lower case. app/config.py reads the sources and
builds the object. This file does no input or output and may be imported from anywhere.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Environment = Literal["development", "testing", "production"]
_NOT_FOR_FLASK = frozenset({"env", "root", "couchdb_password"})
SHORTEST_KEY = 32
"""Characters in the shortest SECRET_KEY that is accepted."""


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _listed(value: object) -> object:
    """A list; or what a variable can hold: a text with commas, or a TOML list in brackets."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = tomllib.loads(f"list = {value}")["list"]
        except tomllib.TOMLDecodeError as error:
            raise ValueError("begins like a TOML list and is none") from error
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, Iterable) else value


def _long_enough(value: str) -> str:
    if value and len(value) < SHORTEST_KEY:
        raise ValueError(f"must have at least {SHORTEST_KEY} characters, not {len(value)}")
    return value


def _address(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value.rstrip("/")


def _not_empty(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _file(value: Path) -> Path:
    if value.name == ":memory:":
        raise ValueError("must be a file: for a database in memory set DATABASE_PROVIDER to memory")
    return value


Text = Annotated[str, AfterValidator(str.strip)]
NonEmpty = Annotated[str, AfterValidator(_not_empty)]
Address = Annotated[str, AfterValidator(_address)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Secret = Annotated[str, Field(repr=False)]
Key = Annotated[str, AfterValidator(_long_enough)]
Provider = Literal["memory", "sqlite", "couchdb", "firestore", "dynamodb"]


class Settings(BaseModel):
    """The settings of one application. Times are in seconds, sizes in bytes unless settings.toml says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # Not settings: how this object came about.
    env: Environment
    root: Path
    """Folder of settings.toml; relative paths start here."""

    debug: bool
    instance_path: Path
    host: NonEmpty
    port: Annotated[int, Field(ge=1, le=65_535)]
    workers: Annotated[int, Field(ge=1, le=256)]
    threads: Annotated[int, Field(ge=1, le=256)]
    worker_timeout: Annotated[int, Field(ge=1, le=3_600)]
    graceful_timeout: Annotated[int, Field(ge=1, le=3_600)]
    keep_alive: Annotated[int, Field(ge=0, le=3_600)]
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
    modules: Names

    allowed_hosts: Names
    public_url: Address
    proxy_hops: Annotated[int, Field(ge=0, le=10)]
    max_content_length: Annotated[int, Field(ge=1_024, le=1_073_741_824)]
    max_form_memory_size: Annotated[int, Field(ge=1_024, le=1_073_741_824)]
    max_form_parts: Annotated[int, Field(ge=1, le=100_000)]
    cookie_secure: bool
    ready_timeout: Annotated[float, Field(ge=0.1, le=60)]

    session_idle_timeout: Annotated[int, Field(ge=60, le=31_536_000)]
    session_absolute_timeout: Annotated[int, Field(ge=60, le=31_536_000)]
    sign_in_attempts_per_account: Annotated[int, Field(ge=1, le=10_000)]
    sign_in_attempts_per_address: Annotated[int, Field(ge=1, le=1_000_000)]
    sign_in_window: Annotated[int, Field(ge=1, le=86_400)]
    setup_link_lifetime: Annotated[int, Field(ge=60, le=604_800)]
    password_hash_memory: Annotated[int, Field(ge=8, le=4_194_304)]
    password_hash_passes: Annotated[int, Field(ge=1, le=100)]
    secret_key: Annotated[Key, Field(repr=False)]
    secret_key_fallbacks: Annotated[tuple[Key, ...], BeforeValidator(_listed), Field(repr=False)]

    database_provider: Annotated[Provider, BeforeValidator(_lower)]
    database_create_missing: bool
    database_metrics: bool
    live_migration: bool
    sqlite_path: Annotated[Path, AfterValidator(_file)]
    sqlite_durability: Annotated[Literal["full", "normal"], BeforeValidator(_lower)]
    sqlite_busy_timeout: Annotated[float, Field(ge=0, le=60)]
    couchdb_url: Address
    couchdb_user: Text
    couchdb_password: Secret
    couchdb_prefix: Text
    firestore_project: Text
    firestore_prefix: Text
    firestore_database: NonEmpty
    firestore_emulator: Text
    firestore_credentials: Text
    dynamodb_region: Text
    dynamodb_endpoint: Address
    dynamodb_prefix: Text
    dynamodb_billing_mode: Annotated[Literal["on_demand", "provisioned"], BeforeValidator(_lower)]
    dynamodb_read_units: Annotated[int, Field(ge=0, le=1_000_000)]
    dynamodb_write_units: Annotated[int, Field(ge=0, le=1_000_000)]

    @property
    def testing(self) -> bool:
        """Whether this is the testing environment."""
        return self.env == "testing"

    @model_validator(mode="after")
    def _rules_between_settings(self) -> Self:
        """Each broken rule is a sentence that begins with the setting's name."""
        needed = {"couchdb": "couchdb_url", "firestore": "firestore_project", "dynamodb": "dynamodb_region"}
        name = needed.get(self.database_provider)
        if name is not None and not getattr(self, name):
            raise ValueError(f"{name.upper()} is needed when DATABASE_PROVIDER is {self.database_provider}")
        for name in ("dynamodb_read_units", "dynamodb_write_units"):
            if (getattr(self, name) > 0) != (self.dynamodb_billing_mode == "provisioned"):
                wanted = "at least 1" if self.dynamodb_billing_mode == "provisioned" else "0"
                raise ValueError(
                    f"{name.upper()} must be {wanted} when DYNAMODB_BILLING_MODE is {self.dynamodb_billing_mode}"
                )
        if self.session_absolute_timeout < self.session_idle_timeout:
            raise ValueError("SESSION_ABSOLUTE_TIMEOUT must not be below SESSION_IDLE_TIMEOUT")
        if self.env == "production":
            self._production_rules()
        return self

    def _production_rules(self) -> None:
        if not self.secret_key:
            raise ValueError(
                f"SECRET_KEY is needed in production: at least {SHORTEST_KEY} characters, in .secrets.local.toml or as "
                "the variable WHERRY_SECRET_KEY"
            )
        if len(set(self.secret_key)) < 8:
            raise ValueError("SECRET_KEY must be random: this one has fewer than 8 different characters")
        if self.debug:
            raise ValueError("DEBUG must be false in production: it shows the code to whoever meets an error")
        if self.database_provider == "memory" and self.workers > 1:
            raise ValueError(
                "WORKERS must be 1 in production when DATABASE_PROVIDER is memory: each process would have data of "
                "its own"
            )
        if self.password_hash_memory < 19_456 or self.password_hash_passes < 2:
            raise ValueError("PASSWORD_HASH_MEMORY and PASSWORD_HASH_PASSES must be at least 19456 and 2 in production")

    def flask_config(self) -> dict[str, object]:
        """Every setting under its name in upper case, and what Flask itself reads under the names that it knows.

        The databases' passwords stay out: only the factory needs them.
        """
        return {
            **{name.upper(): value for name, value in self if name not in _NOT_FOR_FLASK},
            "TESTING": self.testing,
            "SECRET_KEY_FALLBACKS": list(self.secret_key_fallbacks),
            "SESSION_COOKIE_SECURE": self.cookie_secure,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "PREFERRED_URL_SCHEME": "https" if self.cookie_secure else "http",
        }
