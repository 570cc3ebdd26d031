"""Wherry, a multi-tenant application on any document database: `create_app` wires it, in order, and nothing else."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from app import auth, core, tenants, users, web
from app.config import Settings, SettingsError, load_settings
from app.db import get_database_service
from app.db.cli import db_commands
from app.db.entities import schema_of
from app.db.flask_ext import SETTINGS_OF, install_database
from app.web import correlation, health, logs
from app.web.access import check_routes
from app.web.application import WherryFlask
from app.web.registry import Registry


def create_app(overrides: Mapping[str, Any] | None = None) -> WherryFlask:
    """An application with settings, database service and packages of its own; two may live in one process.

    `overrides` are settings by name, stronger than files and variables: `create_app({"ENV": "testing"})`. Reads
    settings files, but connects to nothing. Raises a WherryError of one sentence when it cannot start as it is set up.
    """
    settings = load_settings(overrides)
    logs.configure(settings.log_level)
    app = WherryFlask("app")
    app.config.from_mapping(settings.flask_config())
    app.extensions["settings"] = settings
    app.extensions[SETTINGS_OF] = _settings_of

    registry = Registry()
    web.register(app, registry)
    users.register(app, registry)
    tenants.register(app, registry)
    auth.register(app, registry)
    core.register(app, registry)
    for name in settings.modules:
        _module(name).register(app, registry)
        registry.modules.append(name)

    # A query that no index serves is a mistake to find while developing, and a slow page in production.
    strict = settings.env != "production"
    schema = schema_of(*registry.entities)
    service = get_database_service(settings, schema, strict=strict, settings_of=_settings_of)
    install_database(app, service, settings.threads)
    app.cli.add_command(db_commands)
    health.register(app, deadline=settings.ready_timeout)
    logs.register(app)
    correlation.register(app)
    check_routes(app)
    return app


def _settings_of(environment: str) -> Settings:
    """Another environment's settings, for commands that carry documents from one to the other."""
    return load_settings(env=environment)


def _module(name: str) -> Any:
    """The feature module of that name, imported only because it is switched on."""
    if not name.isidentifier() or find_spec(f"app.modules.{name}") is None:
        raise SettingsError(f"MODULES names {name!r}, and there is no such folder under app/modules")
    return import_module(f"app.modules.{name}")
