"""What may be typed into an agent's fields, and that no input takes long to refuse."""

import time

import pytest

from app.modules.agents import rules
from app.modules.agents.comparison import merge, pairs
from app.modules.agents.entities import AgentContent, name_key
from app.modules.agents.schemas import check_schema, read_json


@pytest.mark.parametrize(
    "code",
    [
        "def handler(event): return event",
        "def handler(event, /):\n    return 1",
        "x = 1\n\n\ndef other(a, b):\n    pass\n\n\ndef handler(event={}):\n    return other(1, 2)",
        "def handler(a, b): ...\ndef handler(event): ...",
    ],
)
def test_code_with_a_handler_is_accepted(code: str) -> None:
    rules.check_code(code)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def handler(:", "Line 1: invalid syntax"),
        ("\n\nif True:\nx = 1", "Line 4"),
        ("x = 1", "defines no handler"),
        ("def outer():\n    def handler(event): ...", "defines no handler"),
        ("def handler(): ...", "one argument"),
        ("def handler(a, b): ...", "one argument"),
        ("def handler(*events): ...", "one argument"),
        ("def handler(event, **more): ...", "one argument"),
        ("async def handler(event): ...", "plain function"),
        ("class handler: ...", "plain function"),
        ("x = '\x00'", "null bytes|cannot be read"),
        ("x = 1\n" * 20_000, "64,000 bytes"),
    ],
)
def test_other_code_is_refused_with_the_reason(code: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rules.check_code(code)


@pytest.mark.parametrize(
    "code", ["(" * 30_000, "[" * 100 + "]" * 100, "-" * 60_000 + "1", "x" + ".x" * 30_000, "a=" * 30_000]
)
def test_code_that_is_nested_without_end_is_refused_and_not_a_crash(code: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        rules.check_code(code)


def test_code_is_never_run() -> None:
    rules.check_code("raise SystemExit\ndef handler(event): ...")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "{}",
        '{"type": "object", "properties": {"a": {"type": ["string", "null"], "maxLength": 5}}, "required": ["a"]}',
        '{"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}',
        '{"enum": [1, "a", null], "default": 1, "title": "x", "additionalProperties": false}',
    ],
)
def test_a_schema_within_the_subset_is_accepted(text: str) -> None:
    check_schema(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON. Line 1"),
        ("[]", "A schema is a JSON object"),
        ("true", "A schema is a JSON object"),
        ('{"type": "strng"}', "type: This must be one or several of object"),
        ('{"type": []}', "one or several"),
        ('{"$ref": "#"}', "not among the supported keywords"),
        ('{"anyOf": []}', "not among the supported keywords"),
        ('{"pattern": "(a+)+$"}', "not among the supported keywords"),
        ('{"properties": []}', "an object of schemas"),
        ('{"properties": {"a": {"minimum": "1"}}}', "properties.a.minimum: This must be a number"),
        ('{"properties": {"a": 1}}', "properties.a: A schema is a JSON object"),
        ('{"minLength": -1}', "whole number"),
        ('{"minLength": true}', "whole number"),
        ('{"required": ["a"]}', "is not among the properties"),
        ('{"required": "a"}', "a list of names"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"default": NaN}', "NaN is not JSON"),
        ('{"default": %s}' % ("9" * 5_000), "too large"),
        ('{"items": ' * 12 + "{}" + "}" * 12, "at most 8 levels"),
        ('{{"default": {}1{}}}'.format("[" * 7_000, "]" * 7_000), "nested too deeply"),
        ('{"title": "%s"}' % ("x" * 16_000), "16,000 bytes"),
    ],
)
def test_any_other_is_refused_and_says_where(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_schema(text)


@pytest.mark.parametrize("tag", ["a", "blau-grün", "v1.2", "日本", "x" * 40])
def test_a_tag_is_a_short_word(tag: str) -> None:
    rules.check_tags([tag])


@pytest.mark.parametrize("tag", ["", "-a", "a-", "_", "a b", "a&b", "#a", "x" * 41, "<b>", "a=b", "?"])
def test_anything_else_is_no_tag(tag: str) -> None:
    with pytest.raises(ValueError, match="no tag"):
        rules.check_tags([tag])


def test_there_are_limits_to_the_lists() -> None:
    for check in (rules.check_tags, rules.check_tools, rules.check_calls):
        with pytest.raises(ValueError, match="At most"):
            check(["a"] * 31)


@pytest.mark.parametrize("text", ["a" * 50_000, "-" * 50_000, "a." * 25_000, "a_" * 25_000, " " * 50_000])
def test_long_input_is_refused_at_once(text: str) -> None:
    for check, value in ((rules.check_tags, [text]), (rules.check_tools, [text]), (rules.check_name, text)):
        started = time.thread_time()
        with pytest.raises(ValueError, match=r".+"):
            check(value)  # type: ignore[arg-type]
        assert time.thread_time() - started < 0.05


def test_names_are_the_same_whatever_their_case_width_and_spaces() -> None:
    same = {
        name_key(name) for name in ("Tide Table", "tide  table", "ＴＩＤＥ table", "ti\u200dde table", " TIDE TABLE ")
    }
    assert same == {"tide table"}
    assert name_key("Straße") == name_key("STRASSE")


def test_json_with_a_key_twice_is_refused_at_any_depth() -> None:
    with pytest.raises(ValueError, match="twice"):
        read_json('{"a": [{"b": 1, "b": 2}]}')


class TestMerging:
    base = AgentContent(name="n", description="d", code="c", tags=["t"])

    def test_each_side_is_proposed_where_it_alone_changed_something(self) -> None:
        theirs = self.base.model_copy(update={"description": "theirs", "code": "theirs"})
        mine = self.base.model_copy(update={"tags": ["mine"], "code": "mine"})
        rows = {row.field: row for row in pairs(theirs, mine, {}, self.base) if row.differs}
        assert {field: row.pick for field, row in rows.items()} == {
            "description": "theirs",
            "tags": "mine",
            "code": "mine",
        }
        assert [field for field, row in rows.items() if row.both_changed] == ["code"]
        merged = merge(theirs, mine, {field: row.pick for field, row in rows.items()})
        assert (merged.description, merged.tags, merged.code) == ("theirs", ["mine"], "mine")

    def test_without_a_base_mine_is_proposed(self) -> None:
        rows = pairs(self.base, self.base.model_copy(update={"code": "mine"}), {})
        assert {row.pick for row in rows} == {"mine"}

    def test_agents_are_shown_by_name_and_deleted_ones_as_such(self) -> None:
        content = AgentContent(calls=["1", "2"])
        row = next(row for row in pairs(content, content, {"1": "Tide"}) if row.field == "calls")
        assert row.mine == "Tide\nan agent that was deleted"
