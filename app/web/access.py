"""Access control: every route declares who may use it, and what is not declared is refused.

The declaration sits on the view; the check runs in one place, before any blueprint's own hooks, for every method. So a
view cannot forget to call it, and a class-based view, a lambda or a static route obeys the same rule.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, current_app, redirect, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from app.errors import NotAllowed, NotSignedIn
from app.web.context import Redirect, RequestContext, current
from app.web.next_url import here

log = logging.getLogger(__name__)
View = TypeVar("View", bound=Callable[..., Any])
ObjectRule = Callable[..., bool]
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What a route demands: nothing (open), somebody signed in, a permission in the tenant, or a superuser."""

    permission: str | None = None
    superuser: bool = False
    open: bool = False
    allow: ObjectRule | None = None


def access_control(
    permission: str | None = None, *, superuser: bool = False, open: bool = False, allow: ObjectRule | None = None
) -> Callable[[View], View]:
    """Declare who may use a view. Exactly one of:

    - ``@access_control("agents.edit")``: members of the tenant in the URL whose role has that permission;
    - ``@access_control()``: anybody signed in; under /t/<slug>/, any member of that tenant;
    - ``@access_control(superuser=True)``: administrators of the installation;
    - ``@access_control(open=True)``: everybody, signed in or not.

    ``allow`` is a rule about the object itself: it is called with the context and the route's own arguments after the
    check above and answers whether this person may use this object. A refusal is a 403; raise NotFound to hide it.
    """
    if (permission is not None) + superuser + open > 1:
        raise ValueError("access_control takes one of: a permission, superuser=True, open=True.")
    rule = AccessRule(permission, superuser, open, allow)

    def declare(view: View) -> View:
        view.access_rule = rule  # type: ignore[attr-defined]
        return view

    return declare


def rule_of(view: Callable[..., Any]) -> AccessRule | None:
    """The declaration on a view function or on the class of a class-based view."""
    rule = getattr(view, "access_rule", None) or getattr(getattr(view, "view_class", None), "access_rule", None)
    return rule if isinstance(rule, AccessRule) else None


def check_routes(app: Flask) -> None:
    """Stop the start if a route has no declaration, or one that can never be met. RuntimeError names them all."""
    known = app.extensions["wherry"].permissions
    wrong = []
    for url in app.url_map.iter_rules():
        rule = rule_of(app.view_functions[url.endpoint])
        if rule is None:
            wrong.append(f"{url.rule} ({url.endpoint}) has no @access_control")
        elif rule.permission is not None and rule.permission not in known:
            wrong.append(f"{url.rule} ({url.endpoint}) asks for the undeclared permission {rule.permission!r}")
        elif rule.permission is not None and "slug" not in url.arguments:
            wrong.append(f"{url.rule} ({url.endpoint}) asks for a permission but belongs to no tenant (/t/<slug>/)")
    if wrong:
        raise RuntimeError("Routes that nobody decided about:\n  " + "\n  ".join(sorted(wrong)))


def guard() -> Response | None:
    """Before every view: find out who and where, refuse or let through. Answers a redirect for a tenant's old slug."""
    if request.url_rule is None:
        return None  # no such page: the router's own 404 or 405 follows
    context = current()
    rule = rule_of(_view())
    if rule is None:
        log.error("the route %s has no access rule and is refused", request.endpoint)
        raise NotAllowed("Nobody has decided who may use this page, so nobody may.")
    if rule.open:
        return None
    user = context.user
    if user is None:
        raise NotSignedIn("Please sign in to go on.")
    if context.slug is not None:
        moved = _enter_tenant(context, context.slug)
        if moved is not None:
            return moved
    if rule.superuser and not user.superuser:
        _refuse(context, "superuser")
    if rule.permission is not None and rule.permission not in context.permissions:
        _refuse(context, rule.permission)
    if rule.allow is not None and not rule.allow(context, **(request.view_args or {})):
        _refuse(context, rule.permission or "object")
    return None


def require(permission: str) -> None:
    """For a decision inside a view: NotAllowed unless the person has ``permission`` in this tenant."""
    context = current()
    if permission not in context.permissions:
        _refuse(context, permission)


def can(permission: str) -> bool:
    """For templates: whether to show a link. The route behind it checks again."""
    return permission in current().permissions


def _view() -> Callable[..., Any]:
    return current_app.view_functions[request.endpoint or ""]


def _enter_tenant(context: RequestContext, slug: str) -> Response | None:
    """A tenant that does not exist and one that the person is no member of get the same answer: 404."""
    user = context.user
    found = context.registry.resolve_tenant(slug, user, context) if user and _SLUG.fullmatch(slug) else None
    if found is None:
        raise NotFound
    if isinstance(found, Redirect):
        rest = here().removeprefix(f"/t/{slug}")
        # Not a permanent one: browsers keep those for ever, and the slug may come back to this tenant.
        return redirect(f"/t/{found.slug}{rest}", 302 if request.method in ("GET", "HEAD") else 307)
    context.access = found
    return None


def _refuse(context: RequestContext, permission: str) -> None:
    log.info("refused: %s lacks %s", context.known_user.id if context.known_user else "anonymous", permission)
    context.registry.tell_refused(context, permission)
    label = context.registry.permissions.get(permission)
    raise NotAllowed(
        f"This needs the right “{label.label}”. An owner or administrator of this tenant can give it to you."
        if label
        else "Your account does not have the right to do this."
    )
