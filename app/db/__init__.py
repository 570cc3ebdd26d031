"""The database layer: one contract over several document databases.

database = open_database("sqlite:///data/wherry.sqlite")
database.save("acme/agents", "a1", {"name": "Greeter", "status": "open"})
page = database.query("acme/agents", Query(where=(where("status").eq("open"),), limit=20))
"""

from app.db.errors import Conflict, InvalidDocument, InvalidQuery, NotFound, NotWritable, TooLarge, Unavailable
from app.db.factory import get_database_service, open_database
from app.db.query import Page, Query, where
from app.db.schema import Collection, Index, Schema
from app.db.scope import TenantDatabase, open_tenant
from app.db.service import DatabaseService
from app.db.writes import ABSENT, ANY, Check, Delete, Put

__all__ = [
    "ABSENT",
    "ANY",
    "Check",
    "Collection",
    "Conflict",
    "DatabaseService",
    "Delete",
    "Index",
    "InvalidDocument",
    "InvalidQuery",
    "NotFound",
    "NotWritable",
    "Page",
    "Put",
    "Query",
    "Schema",
    "TenantDatabase",
    "TooLarge",
    "Unavailable",
    "get_database_service",
    "open_database",
    "open_tenant",
    "where",
]
