"""The audit page: who did what to what, when, from where; and the same as a file."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from app.core.activity import Activity, describe, kind_word
from app.core.export import csv_lines
from app.core.routes import blueprint
from app.db.audit import AuditFilter, AuditRecord
from app.db.query import Query
from app.db.unit_of_work import UnitOfWork
from app.tenants.members import Members
from app.web.access import access_control
from app.web.context import current
from app.web.listing import Listing, Wanted, choice, text

ACTIONS = ("created", "changed", "deleted")
HEAD = ("time", "who", "actor id", "address", "action", "kind", "id", "name", "fields", "events", "reference")
MOST_ACTORS = 200
MOST_EXPORTED = 50_000
PAGE = 200


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("a day is needed, such as 2026-03-01") from error


def kinds() -> list[str]:
    """The collections whose changes stand in a tenant's record."""
    entities = current().registry.entities
    return sorted(
        {each.collection for each in entities if each.audited and (each.scope == "tenant" or each.audit_in_tenant)}
    )


def listing(limit: int = 50) -> Listing:
    """What the page and the file understand."""
    return Listing(
        sorts={"time": ("at",)},
        filters={
            "actor": text,
            "action": choice(*ACTIONS),
            "kind": choice(*kinds()),
            "since": _day,
            "until": _day,
            "reference": text,
        },
        default_sort="-time",
        limit=limit,
    )


def _query(wanted: Wanted, limit: int, cursor: str | None) -> Query:
    """``until`` is a day that is included."""
    filters = wanted.filters
    until = filters.get("until")
    query = AuditFilter(
        actor_id=filters.get("actor"),
        kind=filters.get("kind"),
        action=filters.get("action"),
        correlation_id=filters.get("reference"),
        since=_midnight(filters["since"]) if "since" in filters else None,
        until=_midnight(until + timedelta(days=1)) if until is not None and until < date.max else None,
    ).query(limit, cursor)
    if wanted.descending:
        return query
    return Query(where=query.where, order_by=query.order_by, limit=limit, cursor=cursor)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@blueprint.get("/audit")
@access_control("audit.view")
def audit() -> ResponseReturnValue:
    """The newest first, with filters."""
    wanted = listing().parse(request.args)
    uow = current().uow
    page = uow.store(AuditRecord).find(_query(wanted, wanted.listing.limit, wanted.cursor))
    people = Members(uow).page(Query(order_by=("created_at",), limit=MOST_ACTORS)).items
    return render_template(
        "core/audit.html",
        wanted=wanted,
        activities=describe(uow, page.items),
        cursor=page.cursor,
        actors=sorted(
            ((person.id, person.name or person.id) for person in people), key=lambda pair: pair[1].casefold()
        ),
        kinds=[(kind, kind_word(kind).capitalize()) for kind in kinds()],
        export=request.query_string.decode("latin-1"),
    )


@blueprint.get("/audit.csv")
@access_control("audit.view")
def audit_file() -> ResponseReturnValue:
    """What the filters of the page find, as a file, the whole of it (at most 50,000 commits) and not one page."""
    wanted = listing().parse(request.args)
    tenant = current().tenant
    name = f"audit-{tenant.slug if tenant else ''}.csv"
    rows = _rows(current().uow, wanted)
    response = Response(csv_lines(HEAD, rows), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _rows(uow: UnitOfWork, wanted: Wanted) -> Iterator[list[str]]:
    """Each page is read by a unit of its own, so that memory does not grow with the file."""
    cursor, read = None, 0
    while True:
        reader = UnitOfWork(uow.service, tenant_id=uow.tenant_id, actor=uow.actor, clock=uow.clock)
        page = reader.store(AuditRecord).find(_query(wanted, PAGE, cursor))
        for activity in describe(reader, page.items):
            yield from _lines(activity)
        cursor, read = page.cursor, read + len(page.items)
        if cursor is None:
            return
        if read >= MOST_EXPORTED:
            yield [f"This file ends here, after {read:,} commits; there are more. Narrow the filters."]
            return


def _lines(activity: Activity) -> Iterator[list[str]]:
    at = activity.at.astimezone(UTC).isoformat(timespec="seconds")
    start = [at, activity.who, activity.actor_id, activity.address]
    end = [", ".join(activity.events), activity.correlation_id]
    for line in activity.lines:
        fields = ", ".join(detail.field for detail in line.details)
        yield [*start, line.action, line.kind, line.id, line.label, fields, *end]
    if not activity.lines:
        yield [*start, "", "", "", "", "", *end]
