"""One page."""

from django.urls import path

from bench.web.django_agents.views import index

urlpatterns = [path("t/<slug:slug>/agents/", index)]
