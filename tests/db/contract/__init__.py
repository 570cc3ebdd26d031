"""The conformance suite of the database contract. docs/contract-suite.md says how a backend runs it.

This file imports nothing: the processes that the storms start load only ``workers`` and the backend's own class.
"""
