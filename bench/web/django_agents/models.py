"""Tenants, who belongs to them, and their agents."""

from django.conf import settings
from django.db import models


class Tenant(models.Model):
    """A tenant."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)


class Membership(models.Model):
    """Somebody's role in a tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    role = models.CharField(max_length=20)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("tenant", "user"), name="one_membership"),)


class Agent(models.Model):
    """An agent."""

    tenant = models.ForeignKey(Tenant, models.CASCADE)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    owner_name = models.CharField(max_length=80)
    name = models.CharField(max_length=80)
    name_key = models.CharField(max_length=80)
    description = models.TextField()
    code = models.TextField()
    input_schema = models.TextField()
    output_schema = models.TextField()
    status = models.CharField(max_length=20)
    tags = models.JSONField(default=list)
    version = models.IntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = (models.Index(fields=("tenant", "name_key", "id"), name="by_name"),)
