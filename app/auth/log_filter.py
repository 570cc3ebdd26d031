"""Keeps the tokens that are part of an address out of the log: who reads it must not be able to use them."""

import logging
import re

from flask import Flask, Response, request

from app.web import logs

SECRET_PATHS = {"auth.set_up": "/setup/(hidden)", "auth.invitation": "/invitations/(hidden)"}
_TOKEN = re.compile(r"/(setup|invitations)/[^\s/\]]+")


class HideTokens(logging.Filter):
    """For the application's own logger, which names the address when a request ended in an unforeseen error."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; drops none."""
        if isinstance(record.msg, str):
            record.msg = _TOKEN.sub(r"/\1/(hidden)", record.msg)
        return True


def register(app: Flask) -> None:
    """Install both. Call it before the log's own hook, so that this one runs after that."""
    app.after_request(hide_secret_path)
    if not any(isinstance(found, HideTokens) for found in app.logger.filters):
        app.logger.addFilter(HideTokens())


def hide_secret_path(response: Response) -> Response:
    """The line of each request shows the route instead of the token."""
    shown = SECRET_PATHS.get(request.endpoint or "")
    if shown is not None:
        request.environ.setdefault(logs.ENVIRON_KEY, {})["path"] = shown
    return response
