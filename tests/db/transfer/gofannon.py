"""Documents as Gofannon stores them, and a server that holds them without being one."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from app.db.documents import Document

SCRIPT: Final = Path(__file__).resolve().parents[3] / "migrations_scripts" / "adopt_gofannon.py"

AGENT: Final[Document] = {
    "_id": "3f0c2b9e-8d1a-4c55-9a43-1f1f6f0d7c11",
    "name": "Ticket sorter",
    "friendlyName": "Sorter",
    "description": "Sorts tickets",
    "docstring": "Sorts.",
    "code": "def handler(event):\n    return event\n",
    "tools": {"http://mcp.example.org/mcp": ["search", "lookup"], "http://other.example.org": ["search"]},
    "swaggerSpecs": [{"name": "a", "content": "{}"}],
    "inputSchema": {"inputText": "string", "depth": "int"},
    "outputSchema": {"type": "object", "properties": {"answer": {"type": "string"}}},
    "invokableModels": [{"provider": "openai", "model": "gpt-4o"}],
    "gofannonAgents": ["9d2f0d51-0000-4000-8000-000000000001"],
    "userId": "asf:jdoe",
    "createdAt": "2025-11-02T10:20:30.123456",
    "updatedAt": "2025-12-03 11:22:33",
}
DESIGN: Final[Document] = {"_id": "_design/agents", "views": {"by_name": {"map": "function (doc) { emit(doc.name); }"}}}
USER: Final[Document] = {
    "_id": "asf:jdoe",
    "displayName": "Jane Doe",
    "isActive": True,
    "basicInfo": {"emailAddress": "jdoe@example.org"},
    "lastLoginAt": None,
}
FOREIGN: Final[dict[str, list[Document]]] = {
    "agents": [
        DESIGN,
        AGENT,
        {**AGENT, "_id": "asf:jdoe", "name": "ticket  SORTER", "userId": "asf:other"},
        {**AGENT, "_id": "no-handler", "name": "Runner", "code": "async def run(input_dict, tools):\n    pass\n"},
        {**AGENT, "_id": "wrong", "name": "Wrong", "code": 42, "tools": "none", "createdAt": "yesterday"},
        {**AGENT, "_id": "huge", "name": "Huge", "code": "x" * 400_000},
    ],
    "users": [USER],
    "sessions": [{"_id": "s1", "userId": "asf:jdoe"}],
    "tickets": [
        {"_id": "asf:jdoe:1", "openedBy": "asf:jdoe", "opened_by": "twice", "n": 1.0},
        {"_id": "too-big", "bigNumber": 2**60},
    ],
    "demos": [],
    "letters": [{"_id": "1"}, {"_id": "2"}],
}


class Shelf:
    """``ForeignCouch`` without a server."""

    name = "a shelf"

    def __init__(self, held: dict[str, list[Document]]) -> None:
        self._held = held

    def databases(self) -> dict[str, str]:
        return {name: name for name in self._held}

    def documents(self, database: str) -> Iterator[Document]:
        return iter([dict(one) for one in self._held[database]])


def script() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("adopt_gofannon", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
