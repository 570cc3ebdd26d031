"""Tenant pages live under /t/<slug>/: bookmarkable, and two tabs can be two tenants.

The slug never reaches a view as an argument, and ``url_for`` fills it in from the current tenant.
"""

from typing import Any

from flask import Flask, has_request_context

from app.web.context import current

TENANT_PREFIX = "/t/<slug>"


def tenant_prefix(path: str = "") -> str:
    """The url_prefix of a blueprint with tenant pages: ``tenant_prefix("/agents")``."""
    return TENANT_PREFIX + path


def register_tenant_urls(app: Flask) -> None:
    """Install the two hooks."""

    @app.url_value_preprocessor
    def take_slug(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values and "slug" in values:
            current().slug = values.pop("slug")

    @app.url_defaults
    def fill_in_slug(endpoint: str, values: dict[str, Any]) -> None:
        if "slug" in values or not app.url_map.is_endpoint_expecting(endpoint, "slug"):
            return
        tenant = current().tenant if has_request_context() else None
        if tenant is not None:
            values["slug"] = tenant.slug
