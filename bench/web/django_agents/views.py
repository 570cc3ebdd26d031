"""The list of a tenant's agents."""

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from bench.web.django_agents.models import Agent, Membership

PAGE = 50
LISTED = ("id", "name", "description", "status", "tags", "owner_id", "owner_name", "version", "updated_at")
NAVIGATION = (("", "Dashboard", "home"), ("agents/", "Agents", "agents"), ("members/", "Members", "members"))


@login_required(login_url="/sign-in")
@permission_required("django_agents.view_agent", raise_exception=True)
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """The first page, by name; only the shown columns are read."""
    user: Any = request.user
    membership = Membership.objects.select_related("tenant").filter(tenant__slug=slug, user=user).first()
    if membership is None:
        raise Http404
    agents = Agent.objects.filter(tenant=membership.tenant)
    rows = list(agents.order_by("name_key", "id").only(*LISTED)[: PAGE + 1])
    more = rows[PAGE - 1] if len(rows) > PAGE else None
    context = {
        "tenant": membership.tenant,
        "rows": rows[:PAGE],
        "more": more,
        "count": agents.count(),
        "navigation": NAVIGATION,
        "here": request.path,
    }
    return render(request, "agents.html", context)
