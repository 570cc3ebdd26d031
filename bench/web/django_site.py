"""The same page in Django, as its documentation teaches: models, migrations' tables, auth, database sessions, CSRF.

The view needs a signed-in member of the tenant who has the permission; the page is Django's own templates with cached
loading, and shows the same markup as ours. SQLite in WAL mode with persistent connections.
"""

import os
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application

HERE = Path(__file__).parent


def configure(folder: Path) -> None:
    """Settings of one small site; once in a process."""
    settings.configure(
        SECRET_KEY="measured " * 6,
        DEBUG=False,
        ALLOWED_HOSTS=["127.0.0.1", "testserver"],
        ROOT_URLCONF="bench.web.django_agents.urls",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "bench.web.django_agents",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [HERE / "templates"],
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "django.db",
                "CONN_MAX_AGE": None,
                "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"},
            }
        },
        USE_TZ=True,
        USE_I18N=False,  # ours has no translations either
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
    )
    django.setup()


def fill() -> str:
    """Tables, an account with the permission, its tenant and agents; answers the Cookie header of its session."""
    from django.contrib.auth.models import Group, Permission, User
    from django.core.management import call_command
    from django.test import Client

    from bench.web.django_agents.models import Agent, Membership, Tenant
    from bench.web.world import EMAIL, PASSWORD, contents

    call_command("migrate", run_syncdb=True, verbosity=0)
    ann: Any = User.objects.create_user(EMAIL, EMAIL, PASSWORD, first_name="Ann", last_name="Archer")
    members = Group.objects.create(name="members")
    members.permissions.add(*Permission.objects.filter(content_type__app_label="django_agents"))
    ann.groups.add(members)
    tenant = Tenant.objects.create(name="Harbour", slug="harbour")
    Membership.objects.create(tenant=tenant, user=ann, role="owner")
    Agent.objects.bulk_create(
        Agent(
            tenant=tenant,
            owner=ann,
            owner_name="Ann Archer",
            name=content.name,
            name_key=content.name.casefold(),
            description=content.description,
            code=content.code,
            input_schema=content.input_schema,
            output_schema=content.output_schema,
            status=content.status,
            tags=content.tags,
        )
        for content in contents()
    )
    client = Client()
    if not client.login(username=EMAIL, password=PASSWORD):
        raise AssertionError("Django refused to sign in")
    client.get("/t/harbour/agents/", HTTP_HOST="127.0.0.1")
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


def served() -> WSGIHandler:
    """For gunicorn: the folder is in BENCH_FOLDER."""
    configure(Path(os.environ["BENCH_FOLDER"]))
    return get_wsgi_application()


if __name__ == "__main__":
    configure(Path(sys.argv[1]))
    print(fill())
