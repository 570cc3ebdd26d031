"""A small world for the tests of the pages: an application, people, tenants, browsers and a clock to turn."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.db.actors import Actor
from app.db.entities import new_id
from app.db.service import DatabaseService
from app.db.unit_of_work import UnitOfWork
from app.tenants.entities import Role, Tenant
from app.tenants.members import Members
from app.tenants.services import Tenants
from app.users.context import KEY
from app.users.entities import User
from app.users.passwords import Passwords
from app.users.services import Accounts
from app.web.application import WherryFlask
from tests.app_database import databases

PASSWORD = "seven grey herons"
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_REV = re.compile(r'name="rev"[^>]*value="([^"]+)"')
HTML = {"Accept": "text/html"}


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)  # no two moments are the same, as in life
        return self.now

    def forward(self, **how_far: float) -> None:
        self.now += timedelta(**how_far)


class Browser:
    """A client that reads the CSRF token from the pages that it was shown, as a browser does."""

    def __init__(self, client: FlaskClient, address: str = "192.0.2.1") -> None:
        self.client = client
        self.address = address

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, environ_base={"REMOTE_ADDR": self.address}, headers=HTML, **options)

    def token(self, page: str = "/sign-in") -> str:
        """A CSRF token of this browser's session: every page has one, with the button for light and dark."""
        for path in (page, "/account"):
            if found := _TOKEN.search(self.get(path).get_data(as_text=True)):
                return unescape(found[1])
        raise AssertionError(f"no page with a form at {page}")

    def change(self, path: str, fields: Mapping[str, str]) -> TestResponse:
        """Open a form and send it: with the revision that the page shows."""
        found = _REV.search(self.get(path).get_data(as_text=True))
        assert found is not None, f"no revision at {path}"
        return self.post(path, {"rev": unescape(found[1]), **fields})

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, token: str | None = None, **options: Any
    ) -> TestResponse:
        data = {"csrf_token": self.token() if token is None else token, **(fields or {})}
        return self.client.post(path, data=data, environ_base={"REMOTE_ADDR": self.address}, headers=HTML, **options)

    def sign_in(self, email: str, password: str = PASSWORD, next: str = "") -> TestResponse:
        return self.post("/sign-in", {"email": email, "password": password, "next": next})

    def cookie(self, name: str = "wherry") -> str | None:
        found = self.client.get_cookie(name)
        return found.value if found else None

    def set_cookie(self, value: str, name: str = "wherry") -> None:
        self.client.set_cookie(name, value)


class World:
    """See the module."""

    def __init__(self, **settings: Any) -> None:
        values = {"ENV": "testing", "MODULES": [], **settings}
        if "DATABASE_PROVIDER" not in values:
            values |= databases().settings(tuple(values["MODULES"]))
        self.app: WherryFlask = create_app(values)
        self.clock = Clock()
        self.app.extensions["wherry"].clock = self.clock
        self.database: DatabaseService = databases().watch(self.app.extensions["database"])

    @property
    def passwords(self) -> Passwords:
        found: Passwords = self.app.extensions[KEY].passwords
        return found

    @contextmanager
    def unit(self, tenant_id: str | None = None) -> Iterator[UnitOfWork]:
        """A unit of work, committed at its end."""
        with UnitOfWork(
            self.database,
            tenant_id=tenant_id,
            actor=Actor("system", name="Test"),
            hub=self.app.extensions["wherry"].hub,
            clock=self.clock,
        ) as uow:
            yield uow
            uow.commit()

    def user(self, name: str = "Ann", email: str = "", password: str = PASSWORD, **fields: Any) -> User:
        with self.unit() as uow:
            return Accounts(uow, self.passwords).create(
                name, email or f"{name.lower()}@example.org", password, **fields
            )

    def tenant(self, owner: User, name: str = "Harbour", slug: str = "") -> Tenant:
        with self.unit(new_id()) as uow:
            return Tenants(uow).create(name, slug, owner.id)

    def join(self, tenant: Tenant, user: User, role: Role) -> None:
        with self.unit(tenant.id) as uow:
            Members(uow).join(user.id, role)

    def browser(self, address: str = "192.0.2.1") -> Browser:
        return Browser(self.app.test_client(), address)

    def signed_in(self, user: User, address: str = "192.0.2.1") -> Browser:
        browser = self.browser(address)
        answer = browser.sign_in(user.email)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return browser

    def everything(self, without: tuple[str, ...] = ()) -> dict[tuple[str, str], dict[str, Any]]:
        """Every document of the database, to compare before and after."""
        found = {}
        for collection in self.database.collections():
            if collection.name in without:
                continue
            after = None
            while True:
                page = self.database.scan(collection.name, after)
                found.update({(path, document["_id"]): document for path, document in page.documents})
                after = page.after
                if after is None:
                    break
        return found


def text_of(answer: TestResponse) -> str:
    """The page as a person reads it: without tags, entities decoded, blanks as one."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True))))
