"""Documents as DynamoDB's typed JSON and back, numbers exact both ways.

An integer is written with all its digits and a float with its shortest exact text (17 digits at most; DynamoDB keeps
38). DynamoDB answers numbers in a form of its own, 1e20 as 21 digits: an integer beyond I-JSON was a float.
"""

from typing import Any

from app.db.backends.dynamodb_errors import NotOurs
from app.db.documents import MAX_INTEGER, Document

Typed = dict[str, Any]
Item = dict[str, Typed]


def encode_body(body: Document) -> Item:
    """The native attributes of a document."""
    return {key: encode_value(value) for key, value in body.items()}


def encode_value(value: Any) -> Typed:
    """One JSON value with its type."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is int:
        return {"N": str(value)}
    if kind is float:
        return {"N": repr(value)}
    if value is None:
        return {"NULL": True}
    if kind is bool:
        return {"BOOL": value}
    if kind is dict:
        return {"M": {key: encode_value(item) for key, item in value.items()}}
    return {"L": [encode_value(item) for item in value]}


def decode_item(item: Item) -> Document:
    """The document of an item, with ``_id`` and ``_rev`` and without the attributes that are the backend's own."""
    document = {}
    for key, typed in item.items():
        if key[0] == "~":
            continue
        text = typed.get("S")
        document[key] = _decode(typed) if text is None else text
    try:
        document["_id"] = item["~id"]["S"]
        document["_rev"] = item["~rev"]["S"]
    except KeyError as error:
        raise NotOurs(f"an item without {error}, which somebody else wrote") from error
    return document


def _decode(typed: Typed) -> Any:
    ((kind, value),) = typed.items()
    if kind == "S" or kind == "BOOL":
        return value
    if kind == "N":
        return _number(value)
    if kind == "NULL":
        return None
    if kind == "M":
        return {key: _decode(item) for key, item in value.items()}
    if kind == "L":
        return [_decode(item) for item in value]
    raise NotOurs(f"an attribute of the type {kind}, which no document of ours has")


def _number(text: str) -> int | float:
    if "." not in text and "E" not in text and "e" not in text:
        if len(text) < 16:  # up to 15 digits with a sign: surely within I-JSON
            return int(text)
        whole = int(text)
        return whole if -MAX_INTEGER <= whole <= MAX_INTEGER else float(text)
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value
