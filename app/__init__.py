"""Wherry, a multi-tenant application on any document database: `create_app` wires it, in order, and nothing else."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from flask import Flask

from app.config import load_settings
from app.web import correlation, health, logs

PACKAGES = ("app.web", "app.users", "app.tenants", "app.auth", "app.core")


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """An application with settings, database service and every package of its own; two may live in one process.

    `overrides` are settings by name, stronger than files and variables: `create_app({"ENV": "testing"})`. Reads
    settings files, but connects to nothing. Raises SettingsError when a setting is unusable.
    """
    settings = load_settings(overrides)
    app = Flask("app")
    app.config.from_mapping(settings.flask_config())
    app.extensions["settings"] = settings
    logs.configure(settings.log_level)

    registry = None
    for package in (*PACKAGES, *(f"app.modules.{name}" for name in settings.modules)):
        if find_spec(package.rpartition(".")[0]) and find_spec(package):
            register = getattr(import_module(package), "register", None)
            if register is not None:
                register(app, registry)

    health.register(app, deadline=settings.ready_timeout)
    logs.register(app)
    correlation.register(app)
    return app
