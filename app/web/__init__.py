"""The web layer that every package builds on: access, context, forms, lists, errors, headers, and the look."""

from collections.abc import Callable

from flask import Flask, request
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from app.web.access import access_control, guard
from app.web.context import current
from app.web.errors import register_errors
from app.web.hosts import HostCheck
from app.web.registry import Registry
from app.web.security import trust_proxies
from app.web.templating import register_templating
from app.web.tenant_urls import register_tenant_urls
from app.web.theme import blueprint as theme_blueprint

STATIC_SECONDS = 365 * 24 * 3600


def register(app: Flask, registry: Registry) -> None:
    """Install the foundation; the first package to be registered, so that its hooks run before all others.

    Reads ALLOWED_HOSTS, PROXY_HOPS, COOKIE_SECURE and Flask's own MAX_CONTENT_LENGTH, MAX_FORM_MEMORY_SIZE and
    MAX_FORM_PARTS from ``app.config``.
    """
    app.extensions["wherry"] = registry
    config = app.config
    config["WTF_CSRF_TIME_LIMIT"] = None  # a form is good for as long as the session that it was opened in
    config["WTF_CSRF_CHECK_DEFAULT"] = False  # checked below, after access
    config["SESSION_REFRESH_EACH_REQUEST"] = False
    config["SEND_FILE_MAX_AGE_DEFAULT"] = None
    config["TRAP_BAD_REQUEST_ERRORS"] = False
    if config["PROPAGATE_EXCEPTIONS"] is None:
        config["PROPAGATE_EXCEPTIONS"] = app.testing
    if allowed := config.get("ALLOWED_HOSTS"):
        app.hosts = HostCheck(allowed)  # type: ignore[attr-defined]
    trust_proxies(app, int(config.get("PROXY_HOPS", 0)))
    csrf = CSRFProtect(app)
    # Two functions that Flask-WTF adds to every template's context; ours are globals, which cost nothing unused.
    app.template_context_processors[None] = app.template_context_processors[None][:1]

    register_tenant_urls(app)

    @app.before_request
    def check_access_then_csrf() -> Response | None:
        """Access first: somebody whose session ended should read "please sign in", not "invalid form"."""
        answer = guard()
        if answer is None and config["WTF_CSRF_ENABLED"]:
            csrf.protect(apply_exemptions=True)
        return answer

    app.view_functions["static"] = access_control(open=True)(_static(app))
    app.register_blueprint(theme_blueprint)
    register_errors(app)
    register_templating(app)


def _static(app: Flask) -> Callable[[str], Response]:
    def static(filename: str) -> Response:
        """Our own files. One asked for by the digest of its content may be kept for ever."""
        response = app.send_static_file(filename)
        if "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={STATIC_SECONDS}, immutable"
        return response

    return static


__all__ = ["Registry", "access_control", "current", "register"]
