"""The sample agents can be saved, and do what they say."""

from typing import Any

import pytest

from app.modules.agents import samples
from app.modules.agents.entities import Agent
from app.modules.agents.samples import add_samples
from tests.modules.conftest import OpenUnit


def test_a_new_tenant_gets_five_agents_in_one_commit(unit: OpenUnit) -> None:
    uow = unit()
    add_samples(uow)
    uow.commit()
    agents = unit().store(Agent)
    assert agents.count() == (5, True)
    names = {document["_id"]: document["name"] for document in uow.service.list_all("t1/agents")}
    planner = next(id for id, name in names.items() if name == "Cargo planner")
    assert [names[id] for id in agents.get(planner).calls] == ["Tide table"]


def run(code: str, event: dict[str, Any], **functions: Any) -> Any:
    """Our own samples may be run by Python itself; what people write never is."""
    scope: dict[str, Any] = dict(functions)
    exec(compile(code, "sample", "exec"), scope)
    return scope["handler"](event)


@pytest.mark.parametrize(
    ("sample", "event", "answer"),
    [
        (samples.TRIAGE, {"message": "The site is DOWN, error 500"}, {"team": "operations", "urgent": True}),
        (samples.TRIAGE, {"message": "Hello"}, {"team": "front desk", "urgent": False}),
        (samples.TIDES, {"hour": 6}, {"depth": 5.2, "open": True}),
        (samples.TIDES, {"hour": 12.2}, {"depth": 1.4, "open": False}),
        (samples.GREETER, {"name": "Jonas", "language": "de"}, {"greeting": "Moin, Jonas!"}),
    ],
)
def test_a_sample_answers_as_it_says(sample: Any, event: dict[str, Any], answer: dict[str, Any]) -> None:
    assert run(sample.code, event) == answer


def test_the_invoice_reader_adds_up_to_the_cent() -> None:
    answer = run(samples.INVOICE.code, {"text": "3 x Rope @ 14.50\n1 x Lamp @ 9\nThank you"})
    assert (answer["total_cents"], answer["unreadable"]) == (5_250, ["Thank you"])


def test_the_cargo_planner_asks_for_the_tide() -> None:
    event = {"hour": 6, "capacity": 100, "boats": ["Gull"], "crates": [{"label": "A", "weight": 80}]}
    crates = [*event["crates"], {"label": "B", "weight": 90}]  # type: ignore[misc]
    answer = run(samples.PLANNER.code, {**event, "crates": crates}, call=lambda name, asked: {"open": True})
    assert answer == {"boats": [{"name": "Gull", "load": 90, "crates": ["B"]}], "waiting": ["A"]}
