"""The database in a Flask application: where the service lives, when it is closed, and units of work for commands.

A request's unit of work is opened and committed by the web layer; services get it handed in and never see Flask.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask, current_app, has_app_context
from flask.cli import ScriptInfo

from app.db.actors import Actor
from app.db.ambient import ambient_unit
from app.db.correlation import correlated
from app.db.factory import DatabaseSettings
from app.db.schema import Schema
from app.db.scope import open_tenant
from app.db.service import DatabaseService
from app.db.turns import Turns
from app.db.unit_of_work import UnitOfWork

EXTENSION = "database"
TURNS = "database_turns"
SETTINGS_OF = "settings_of"
"""Where an application has its function from the name of an environment to that environment's settings."""


def install_database(app: Flask, service: DatabaseService, threads: int = 0) -> None:
    """Give the application its database. It is closed when the application is thrown away or the process ends.

    ``threads``: how many requests this process answers at once. With it, requests take turns at a database that is
    reached over a network (turns.py), one fewer than there are threads: one is left for pages without the database.

    Does no input or output: the service connects when it is first used, in each process anew.
    """
    if EXTENSION in app.extensions:
        raise RuntimeError("This application has a database already.")
    if threads:
        app.extensions[TURNS] = Turns(service, max(1, threads - 1))
    app.extensions[EXTENSION] = service
    weakref.finalize(app, service.close)


def current_database() -> DatabaseService:
    """The service of the current application. RuntimeError outside an application context, or without a database."""
    service = current_app.extensions.get(EXTENSION)
    if not isinstance(service, DatabaseService):
        raise RuntimeError("This application has no database: install_database was not called.")
    return service


@contextmanager
def command_unit(command: str, *, tenant_id: str | None = None) -> Iterator[UnitOfWork]:
    """A unit of work for a command, inside an application context; commits when its block ends without an error.

    NotFound for a tenant that does not exist. The audit record names ``command`` as the actor, and has the correlation
    id that log lines of the block have. Blocks inside it join it. Uses the hub and clock that the application
    registered.
    """
    registry: Any = current_app.extensions.get("wherry")
    options = {} if registry is None else {"hub": registry.hub, "clock": registry.clock}
    service = current_database()
    with correlated() as identifier:
        actor = Actor(kind="command", id=command, name=command, correlation_id=identifier)
        if tenant_id is not None:
            open_tenant(service, tenant_id)
        with ambient_unit(lambda: UnitOfWork(service, tenant_id=tenant_id, actor=actor, **options)) as uow:
            yield uow


def command_application() -> Flask:
    """The application that a command belongs to, within an application context or as Flask's command line loads it."""
    if has_app_context():
        return current_app._get_current_object()  # type: ignore[attr-defined, no-any-return]
    return click.get_current_context().ensure_object(ScriptInfo).load_app()


def command_schema() -> Schema:
    """What the command's application declares."""
    service = command_application().extensions.get(EXTENSION)
    return service.schema if isinstance(service, DatabaseService) else Schema()


def command_settings(environment: str) -> DatabaseSettings:
    """The settings of an environment, as the command's application reads them."""
    found: DatabaseSettings = command_application().extensions[SETTINGS_OF](environment)
    return found


def own_settings() -> DatabaseSettings | None:
    """The settings of the command's application; None if it has none."""
    found: DatabaseSettings | None = command_application().extensions.get("settings")
    return found
