"""Carrying documents from one database to another: plan, copy, verify, dump, restore, and live.

Two independent services, never one. Everything here goes through the contract (app/db/service.py), so that any backend
can be a source and any a target. Nothing here is used by the application while it serves requests, but ``live``.
"""
