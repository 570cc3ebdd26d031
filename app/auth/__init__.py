"""The door: signing in and out, sessions, the first start, accepting invitations."""

from datetime import timedelta

from flask import Flask

from app.auth import invitation_routes, log_filter, set_up_routes  # noqa: F401 - they add their routes to the blueprint
from app.auth.cli import first_link
from app.auth.context import KEY, AuthState, identify, keep_own_session
from app.auth.entities import SetUp, UserSession
from app.auth.routes import blueprint
from app.auth.sessions import Timeouts
from app.auth.set_up import complete_set_up
from app.settings import Settings
from app.users.events import SessionsEnded, UserCreated
from app.web.registry import Registry


def register(app: Flask, registry: Registry) -> None:
    """Entities, pages, who is signed in, and the `wherry first-link` command."""
    settings: Settings = app.extensions["settings"]
    app.extensions[KEY] = AuthState(
        Timeouts(
            timedelta(seconds=settings.session_idle_timeout), timedelta(seconds=settings.session_absolute_timeout)
        ),
        settings.setup_link_lifetime,
    )
    registry.add_entities(UserSession, SetUp)
    registry.set_identify(identify)
    if registry.hub is not None:
        registry.hub.during(UserCreated)(complete_set_up)
        registry.hub.during(SessionsEnded)(keep_own_session)
    app.register_blueprint(blueprint)
    log_filter.register(app)
    app.cli.add_command(first_link)
