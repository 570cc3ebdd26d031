"""Whether the client is a program that wants JSON or a person's browser."""

from flask import request


def wants_json() -> bool:
    """True if Accept prefers JSON over HTML, or JSON was sent and Accept does not say. A browser never matches."""
    accept = request.accept_mimetypes
    if not accept or accept.best == "*/*":
        return request.is_json
    json, html = accept["application/json"], accept["text/html"]
    return json > html
