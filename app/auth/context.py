"""Sessions of the request being handled: who it belongs to, and beginning and ending a session in the browser."""

from dataclasses import dataclass

from flask import Request, Response, current_app, has_request_context, request, session

from app.auth.devices import remember_device
from app.auth.events import SignedOut
from app.auth.sessions import Sessions, Timeouts, session_id
from app.db.unit_of_work import UnitOfWork
from app.users.entities import User
from app.users.events import SessionsEnded
from app.users.services import act_as
from app.web.context import Principal, current

KEY = "wherry.auth"
TOKEN = "sid"  # noqa: S105 - the name of a key in the cookie
LAST_TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class AuthState:
    """What the application made of the settings, once."""

    timeouts: Timeouts
    set_up_lifetime: int


def state() -> AuthState:
    """Of the current application."""
    found: AuthState = current_app.extensions[KEY]
    return found


def sessions() -> Sessions:
    """Sessions within the request's unit of work."""
    return Sessions(current().uow, state().timeouts)


def identify(_: Request, uow: UnitOfWork) -> Principal | None:
    """The registry's hook: who the cookie's session belongs to. Two reads by key, and a write once in a while."""
    token = session.get(TOKEN)
    if not isinstance(token, str):
        return None
    store = Sessions(uow, state().timeouts)
    found = store.whose(token)
    if found is None:
        return None
    signed_in, user = found
    store.note_seen(signed_in)
    current().session_id = signed_in.id
    return principal_of(user)


def principal_of(user: User) -> Principal:
    """What the web layer knows of an account."""
    return Principal(user.id, user.name, user.email, user.superuser)


def begin_session(user: User) -> None:
    """Sign this browser in: a session of its own, a new cookie with a new CSRF secret; the former session is dead."""
    context = current()
    former = session.get(TOKEN)
    if isinstance(former, str):
        sessions().forget(session_id(former))
    session.clear()
    act_as(context.uow, user)
    token = sessions().open(user, request.remote_addr or "", request.headers.get("User-Agent", ""))
    session[TOKEN] = token
    context.session_id = session_id(token)
    context.become(principal_of(user))


def known_here(response: Response, user_id: str) -> Response:
    """Remember that this browser was signed in with the account."""
    remember_device(response, user_id)
    return response


def end_session() -> None:
    """Sign this browser out: its session is deleted and its cookie emptied, so an old copy of it opens nothing."""
    context = current()
    if context.user is not None and context.session_id is not None:
        sessions().forget(context.session_id)
        context.uow.emit(SignedOut(context.user.id))
    session.clear()
    context.become(None)


def keep_own_session(event: SessionsEnded, uow: UnitOfWork) -> None:
    """During the commit that ends all sessions of an account: the one it was asked from goes on."""
    if not has_request_context() or uow is not current().open_unit:
        return
    context = current()
    if context.session_id is None or context.known_user is None or context.known_user.id != event.user_id:
        return
    store = Sessions(uow, state().timeouts).store
    found = store.get_or_none(context.session_id)
    if found is not None:
        found.stamp = event.stamp
        store.save(found)
