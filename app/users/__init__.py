"""Accounts: who uses the installation. /account, passwords, and the counters that slow down guessing at them."""

from flask import Flask

from app.settings import Settings
from app.users.cli import users_commands
from app.users.context import KEY, UsersState
from app.users.entities import Attempts, User
from app.users.limits import Limits
from app.users.passwords import Passwords
from app.users.routes import blueprint
from app.web.registry import Registry


def register(app: Flask, registry: Registry) -> None:
    """Entities, pages and the `wherry users` commands."""
    settings: Settings = app.extensions["settings"]
    app.extensions[KEY] = UsersState(
        Passwords(settings.password_hash_memory, settings.password_hash_passes), Limits.of(settings)
    )
    registry.add_entities(User, Attempts)
    app.register_blueprint(blueprint)
    app.cli.add_command(users_commands)
