"""Names, ids and values that have broken somebody's database before."""

from typing import Any, Final

TENANTS: Final = (
    "a.c", "abc", "a_c", "a%", "*", "a:b", "a", "b", "Ä", "A\u0308", "A", "ä", "%", "_", "?", "a'b", 'a"b', "a`b",
    "a b", " ", "a\\b", "a\\", "$ne", "$gt", "..", ".", "__x__", "_design", ":v", "#n", "notes", "a,c", "[a]", "{}",
    "null", "0", "😀", "عربي", "a;b", "--", "~", "a|b", "a+b", "%2f", "x" * 128,
)  # fmt: skip
"""Tenant ids: each must be one tenant, neither a pattern nor a part of another."""

IDS: Final = (
    "a", "A", "a.c", "abc", "a_c", "a%", "*", "a:b", "../", "..", ".", "/", "a/b", "//", "%2f", "%", "_", "__x__",
    "_id", "_design/x", "_local/x", "~", "$gt", "$", ":v", "#n", "`", "'", '"', "\\", "a\\",
    "'; drop table notes; --", "\x00", "a\x00", "a\x00b", "\x00\x01", "\x01", "\x7f", "\n", "\t", " ", " a", "a ",
    "null", "true", "0", "00", "0.0", "-1", "1e5", "é", "e\u0301", "ß", "ss", "İ", "i\u0307", "\u200f", "\u200b",
    "\ufeff", "\ufffd", "\uffff", "\ue000", "😀", "😀😀", "\U0010ffff", "عربي", "שלום", "ｆ", "x" * 512,
    "x" * 511 + "y", "é" * 256, "😀" * 128, "\x00" * 512, "[a]", "{}", "<b>", "a\u2028b", "a\r\nb", "?", "&", "=",
    "+", "CON", "{{7*7}}", "%s", "%00",
)  # fmt: skip
"""Document ids: all different, all allowed."""

KEYS: Final = (
    "$gt", "$", "$where", "a.b", ".", "..", 'a"b', "a'b", "a`b", "a\\b", "a\x00b", "\x00", ":v", "#n", "@type", "é",
    "e\u0301", "😀", "عربي", "a[0]", "[0]", "$.a", " ", "a b", "/", "a/b", "-", "*", "%", "0", "-1", "constructor",
    "proto__", "null", "x" * 255, "é" * 127, "\ufffd", "\uffff", "\n", "A", "a", "key", "id", "rev", "data",
    "tenant", "layout", "n", "order", "select",
)  # fmt: skip
"""Keys of objects at any level."""

INNER_KEYS: Final = ("_id", "_rev", "_", "__x__", "~", "~tag", "__name__", "_deleted", "_attachments")
"""Keys that are the database's at the top level and anybody's below it."""

TEXTS: Final = (
    "", " ", "a", "A", "\x00", "a\x00", "a\x00b", "\x00\x00", "\x01", "\x7f", "\x80", "é", "e\u0301", "ß", "😀",
    "\ufffd", "\uffff", "\ue000", "\U0010ffff", "\u200f\u202e", "عربي", "'", '"', "`", "\\", "\\u0000", "$gt", ":v",
    "#n", "null", "true", "1", "1.0", "-0", "1e5", "NaN", "{{7*7}}", "<script>alert(1)</script>",
    "'; drop table notes; --", "\r\n", "\u2028", "%s", "@jinja", "x" * 238, "x" * 239, "x" * 240, "x" * 1_000,
    "é" * 200, "😀" * 100, "\x00" * 300, "2026-01-02T03:04:05Z", "AAECAw==",
)  # fmt: skip
"""Strings as values."""

NUMBERS: Final[tuple[Any, ...]] = (
    0, 1, -1, 7, 2**31, -(2**31) - 1, 2**53 - 1, -(2**53 - 1), 0.1, -0.1, 1 / 3, 1.5, 5e-125, -5e-125, 1e-125, 1e125,
    -1e125, 9.9e124, 123456789.123456789, 1e20, -1e20, 2.0**53, 2.0**60, 1.7976931348623157e100, 0.1 + 0.2, 1e16,
    3.14,
)  # fmt: skip
"""Numbers as they are read back."""

SCALARS: Final[tuple[Any, ...]] = (None, False, True, *NUMBERS, *TEXTS)
