"""Headers that every response carries, and what is trusted of the connection.

Sources: OWASP ASVS 5.0 chapter 3 (web frontend), Content Security Policy Level 3, RFC 6797 (HSTS).
"""

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from app.web.context import current

PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
)
_FIXED = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", PERMISSIONS_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_CSP_BEFORE = "default-src 'none'; script-src 'nonce-"
_CSP_AFTER = (
    "'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HSTS = "max-age=31536000; includeSubDomains"


def secure(response: Response) -> Response:
    """Set the headers on ``response``. Idempotent; a stricter Cache-Control of a view's own is kept.

    Pages of somebody who is signed in are ``no-store`` whatever the view says: the next person at this computer must
    not find them with the back button.
    """
    headers = response.headers
    context = current()
    for name, value in _FIXED:
        headers[name] = value
    headers["Content-Security-Policy"] = f"{_CSP_BEFORE}{context.nonce}{_CSP_AFTER}"
    if request.scheme == "https":
        headers["Strict-Transport-Security"] = HSTS
    if context.known_user is not None or "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"
    return response


def trust_proxies(app: Flask, hops: int) -> None:
    """Believe the last ``hops`` entries of X-Forwarded-For, -Proto and -Host; with 0 (the default) none of them.

    Each hop is one proxy of ours. An entry further left was written by the client and is never believed.
    """
    if hops > 0:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
