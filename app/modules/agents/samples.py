"""Sample agents for a new tenant: small, but each does something that somebody could want."""

from typing import Final

from app.db.unit_of_work import UnitOfWork
from app.modules.agents.entities import AgentContent
from app.modules.agents.services import AgentService

TRIAGE: Final = AgentContent(
    name="Ticket triage",
    description="Reads a support message and says how urgent it is and who should look at it.",
    status="active",
    tags=["support", "text"],
    code="""\
URGENT = ["outage", "down", "cannot sign in", "data loss", "asap"]
TEAMS = {
    "billing": ["invoice", "refund", "charge", "price"],
    "access": ["password", "sign in", "permission", "locked"],
    "operations": ["slow", "outage", "down", "error"],
}


def handler(event):
    text = event["message"].lower()
    scores = {}
    for team, words in TEAMS.items():
        scores[team] = sum(1 for word in words if word in text)
    best = max(scores, key=lambda team: scores[team])
    return {
        "team": best if scores[best] else "front desk",
        "urgent": any(word in text for word in URGENT),
    }
""",
    input_schema="""\
{
  "type": "object",
  "properties": {
    "message": {"type": "string", "title": "Message", "minLength": 1}
  },
  "required": ["message"]
}""",
    output_schema="""\
{
  "type": "object",
  "properties": {
    "team": {"type": "string"},
    "urgent": {"type": "boolean"}
  }
}""",
)

INVOICE: Final = AgentContent(
    name="Invoice reader",
    description="Turns lines such as “3 x Rope @ 14.50” into items, and adds them up to the cent.",
    status="active",
    tags=["finance", "text"],
    code="""\
def cents(text):
    whole, _, part = text.strip().partition(".")
    return int(whole) * 100 + int((part + "00")[:2])


def handler(event):
    items = []
    unreadable = []
    for line in event["text"].splitlines():
        count, times, rest = line.partition(" x ")
        name, at, price = rest.rpartition(" @ ")
        if not times or not at:
            if line.strip():
                unreadable.append(line)
            continue
        items.append({"name": name, "count": int(count), "cents": int(count) * cents(price)})
    return {"items": items, "total_cents": sum(item["cents"] for item in items), "unreadable": unreadable}
""",
    input_schema="""\
{
  "type": "object",
  "properties": {
    "text": {"type": "string", "title": "Lines of the invoice", "examples": ["3 x Rope @ 14.50"]}
  },
  "required": ["text"]
}""",
)

TIDES: Final = AgentContent(
    name="Tide table",
    description="Says how deep the water over the sill is at an hour of the day, with two tides a day.",
    status="active",
    tags=["harbour"],
    code="""\
LOW, HIGH = 1.4, 5.2
HOURS_BETWEEN = 12.42


def handler(event):
    # A tide as a parabola between two low waters: near enough to plan a day with.
    phase = ((event["hour"] - event.get("high_water", 6)) % HOURS_BETWEEN) / HOURS_BETWEEN
    height = (2 * phase - 1) ** 2
    depth = round(LOW + (HIGH - LOW) * height, 1)
    return {"depth": depth, "open": depth >= event.get("draught", 2.5)}
""",
    input_schema="""\
{
  "type": "object",
  "properties": {
    "hour": {"type": "number", "title": "Hour of the day", "minimum": 0, "maximum": 24},
    "high_water": {"type": "number", "title": "Hour of high water", "default": 6},
    "draught": {"type": "number", "title": "Draught in metres", "default": 2.5}
  },
  "required": ["hour"]
}""",
    output_schema="""\
{
  "type": "object",
  "properties": {
    "depth": {"type": "number", "description": "Metres"},
    "open": {"type": "boolean"}
  }
}""",
)

PLANNER: Final = AgentContent(
    name="Cargo planner",
    description="Spreads crates over boats, heaviest first, and keeps those at the quay that the tide does not carry.",
    status="draft",
    tags=["harbour", "planning"],
    tools=["call"],
    code="""\
def handler(event):
    tide = call("Tide table", {"hour": event["hour"], "draught": event.get("draught", 2.5)})
    boats = [{"name": name, "load": 0, "crates": []} for name in event["boats"]]
    waiting = []
    for crate in sorted(event["crates"], key=lambda crate: -crate["weight"]):
        boat = min(boats, key=lambda boat: boat["load"]) if boats and tide["open"] else None
        if boat is None or boat["load"] + crate["weight"] > event["capacity"]:
            waiting.append(crate["label"])
            continue
        boat["load"] += crate["weight"]
        boat["crates"].append(crate["label"])
    return {"boats": boats, "waiting": waiting}
""",
    input_schema="""\
{
  "type": "object",
  "properties": {
    "hour": {"type": "number", "title": "Hour of departure", "minimum": 0, "maximum": 24},
    "capacity": {"type": "integer", "title": "Kilograms a boat carries", "minimum": 1},
    "boats": {"type": "array", "items": {"type": "string"}},
    "crates": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {"label": {"type": "string"}, "weight": {"type": "integer"}},
        "required": ["label", "weight"]
      }
    }
  },
  "required": ["hour", "capacity", "boats", "crates"]
}""",
)

GREETER: Final = AgentContent(
    name="Greeter",
    description="Says hello in the language that somebody prefers. A good one to take apart first.",
    status="archived",
    tags=["example"],
    code="""\
HELLO = {"de": "Moin", "en": "Ahoy", "fr": "Bonjour", "nl": "Hallo", "da": "Hej"}


def handler(event):
    hello = HELLO.get(event.get("language", "en"), HELLO["en"])
    return {"greeting": f"{hello}, {event['name']}!"}
""",
    input_schema="""\
{
  "type": "object",
  "properties": {
    "name": {"type": "string", "title": "Name"},
    "language": {"type": "string", "enum": ["de", "en", "fr", "nl", "da"], "default": "en"}
  },
  "required": ["name"]
}""",
)


def add_samples(uow: UnitOfWork) -> None:
    """Add the sample agents to the unit's tenant; one may call another."""
    service = AgentService(uow)
    for sample in (TRIAGE, INVOICE, GREETER):
        service.create(sample)
    tides = service.create(TIDES)
    service.create(PLANNER.model_copy(update={"calls": [tides.id]}))
