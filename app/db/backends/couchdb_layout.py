"""How a collection lies in CouchDB.

A database for each collection, ``<prefix>-<collection>``, and ``<prefix>--system`` for the registry of collections and
the commit records. A document's id is ``<tenant>:<id>``, with ``%`` and ``:`` of the tenant (and a leading ``_``)
percent-encoded: no two pairs share an id, and within a tenant ``_all_docs``, which orders by bytes, is in id order.

Fields are native. Beside them stand ``~t``, the revision token; ``~i``, the intent of a commit in flight (see
commit_record.py) with the new value ``v``, its token ``t`` and the record ``tx``; and ``~absent`` in a document that
holds nothing but an intent.

Each declared index is a design document with one view. Its map function computes the joined order key of sortkeys.py
from the native fields, so that a document needs no shadow fields and a new index no rewriting; keys are ASCII text
under raw collation, so their order is the bytes' order. The rows are

    "k<tenant>:<key>"     every document with a place in the index: whole, if it is short, else its short fields. What
                          holds a float above 2^53 that is an integer is not short: JavaScript writes an integer
    "k<tenant>:<lead>0"   a mark for every document that bears an intent, a pending change, before all keys that begin
    "k<tenant>:<lead>g"   with its lead, and one behind them. The lead is the joined key of all fields but the last, of
                          the old value and of the new one
    "p<tenant>:"          every document that bears an intent, whole

so that a page of short documents, or of a few short columns, comes from the index alone. A page that begins where a
lead begins sees by the mark whether an intent concerns it, in one look; for any other, one request with two queries
brings the intents first and then the page. Intents are behind everything else, where CouchDB sees that there are none
without reading a leaf of its tree. ``TENANTS`` is the index without fields: it counts.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote
from zlib import crc32

import orjson

from app.db.documents import Document
from app.db.errors import InvalidQuery
from app.db.names import Name
from app.db.schema import Index
from app.db.sortkeys import NUMBER, STRING

TOKEN: Final = "~t"  # noqa: S105 - the name of a field
INTENT: Final = "~i"
ABSENT_MARK: Final = "~absent"
CUT: Final = "~cut"
SYSTEM: Final = "-system"
DESIGN_PREFIX: Final = "_design/wherry-"
_WHOLE_AT_MOST: Final = 2_000
_FIELD_AT_MOST: Final = 120
_HINT = re.compile(r"(\d{1,10}-[0-9a-f]{32})-([0-9a-f]{8})", re.ASCII)
_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,60}", re.ASCII)

# ECMAScript 5 without typed arrays, for every engine that a CouchDB may have: a double's bits are computed. It must
# agree with sortkeys.py byte by byte.
_MAP = """\
function (doc) {
  var paths = %PATHS%;
  var colon = doc._id.indexOf(":");
  if (colon < 0) { return; }
  var tenant = doc._id.substring(0, colon + 1);
  if (doc["~i"]) { emit("p" + tenant, doc); }
  var hex = function (byte) { return (byte + 256).toString(16).substring(1); };
  var word = function (bits) { return ("0000000" + bits.toString(16)).slice(-8); };
  var number = function (value) {
    var size = Math.abs(value), top = 0, low = 0;
    if (size !== 0) {
      var power = Math.floor(Math.log(size) / Math.LN2);
      while (Math.pow(2, power) > size) { power--; }
      while (Math.pow(2, power + 1) <= size) { power++; }
      var fraction = (size / Math.pow(2, power) - 1) * 4503599627370496;
      top = (power + 1023) * 1048576 + Math.floor(fraction / 4294967296);
      low = fraction % 4294967296;
    }
    return "30" + (value < 0 ? word(2147483647 - top) + word(4294967295 - low) : word(2147483648 + top) + word(low));
  };
  var text = function (value) {
    var bytes = [];
    for (var at = 0; at < value.length && bytes.length < 240; at++) {
      var code = value.charCodeAt(at);
      if (code >= 0xd800 && code < 0xdc00) {
        at++;
        code = 0x10000 + (code - 0xd800) * 0x400 + (value.charCodeAt(at) - 0xdc00);
      }
      if (code === 0) {
        bytes.push(0, 255);
      } else if (code < 0x80) {
        bytes.push(code);
      } else if (code < 0x800) {
        bytes.push(0xc0 | code >> 6, 0x80 | code & 63);
      } else if (code < 0x10000) {
        bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63);
      } else {
        bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63);
      }
    }
    if (bytes.length >= 240) {
      bytes.length = 239;
      if (bytes[238] === 0) { bytes.length = 238; }
    }
    var out = "40";
    for (var place = 0; place < bytes.length; place++) { out += hex(bytes[place]); }
    return out + "0001";
  };
  var joined = function (fields, count) {
    var key = "k" + tenant;
    for (var index = 0; index < count; index++) {
      var value = fields;
      for (var step = 0; step < paths[index].length; step++) {
        if (value === null || typeof value !== "object" || Array.isArray(value)) { return null; }
        if (!Object.prototype.hasOwnProperty.call(value, paths[index][step])) { return null; }
        value = value[paths[index][step]];
      }
      if (value === null) { key += "10"; }
      else if (value === false) { key += "20"; }
      else if (value === true) { key += "21"; }
      else if (typeof value === "number") { key += number(value); }
      else if (typeof value === "string") { key += text(value); }
      else { return null; }
    }
    return key;
  };
  if (doc["~i"] && paths.length > 0) {
    var sides = [doc["~absent"] ? null : doc, doc["~i"].v];
    for (var side = 0; side < sides.length; side++) {
      var lead = sides[side] && joined(sides[side], paths.length - 1);
      if (lead) { emit(lead + "0", null); emit(lead + "g", null); }
    }
  }
  if (doc["~absent"]) { return; }
  var key = joined(doc, paths.length);
  if (key === null) { return; }
  if (paths.length === 0) { emit(key, null); return; }
  var fits = function (json, room) {
    if (json.length > room) { return false; }
    var long = json.match(/(^|[\\[:,])-?\\d{16,}/g) || [];
    for (var at = 0; at < long.length; at++) {
      if (Number(long[at].replace(/[^\\d]+/, "")) > 9007199254740991) { return false; }
    }
    return true;
  };
  if (fits(JSON.stringify(doc), %WHOLE%)) { emit(key, doc); return; }
  var part = {"_id": doc._id, "_rev": doc._rev}, left = [], room = %WHOLE%;
  for (var name in doc) {
    if (name.charAt(0) === "_") { continue; }
    var json = JSON.stringify(doc[name]), most = Math.min(%FIELD%, room) - name.length;
    if (fits(json, most)) { part[name] = doc[name]; room -= name.length + json.length; } else { left.push(name); }
  }
  part["~cut"] = left.length <= 20 ? left : null;
  emit(key, part);
}
"""


def check_prefix(prefix: str) -> str:
    """The prefix of the databases' names, or InvalidQuery naming the setting."""
    if not _PREFIX.fullmatch(prefix):
        raise InvalidQuery(
            "begins with a lower-case letter and has at most 61 lower-case letters, digits, '_' and '-'",
            name="COUCHDB_PREFIX",
        )
    return prefix


def tenant_key(tenant: str) -> str:
    """What the ids of a tenant's documents begin with, its colon included."""
    encoded = tenant.replace("%", "%25").replace(":", "%3A")
    if encoded.startswith("_"):
        encoded = "%5F" + encoded[1:]
    return encoded + ":"


def document_key(name: Name, id: str) -> str:
    """A document's id in CouchDB."""
    return tenant_key(name.tenant) + id


def split_key(key: str) -> tuple[str, str]:
    """The tenant and the id that a document's id in CouchDB stands for."""
    tenant, _, id = key.partition(":")
    if "%" in tenant:
        if tenant.startswith("%5F"):
            tenant = "_" + tenant[3:]
        tenant = tenant.replace("%3A", ":").replace("%25", "%")
    return tenant, id


def make_hint(store_rev: str, token: str, key: str, seed: int) -> str:
    """CouchDB's revision as a precondition that is good for this document of this database and this token only.

    CouchDB takes a revision for an id that never existed and creates the document; a revision of another document, or
    of another database after a move, must not do that.
    """
    return f"{store_rev}-{crc32(f'{token}{key}'.encode(), seed):08x}"


def open_hint(hint: str, token: str, key: str, seed: int) -> str:
    """The CouchDB revision that a hint holds, or "" if it was not made for this document, token and database."""
    match = _HINT.fullmatch(hint)
    if match is None or int(match[2], 16) != crc32(f"{token}{key}".encode(), seed):
        return ""
    return match[1]


def stored(fields: bytes, token: str, store_rev: str = "") -> bytes:
    """A document's JSON for CouchDB, made around the JSON of its fields without parsing it again."""
    rev = b'"_rev":"%b",' % store_rev.encode() if store_rev else b""
    head = b'{%b"~t":%b' % (rev, orjson.dumps(token))
    return head + b"}" if fields == b"{}" else head + b"," + fields[1:]


def fields_of(document: Document) -> Document:
    """The fields alone; takes them out of what CouchDB answered."""
    return {name: value for name, value in document.items() if name[0] != "_" and name[0] != "~"}


@lru_cache(maxsize=1024)  # every query asks for it
def design_name(index: Index | None) -> str:
    """The id of an index's design document; another map function has another one, so that releases do not fight."""
    source = map_source(index)
    return DESIGN_PREFIX + blake2b(source.encode(), digest_size=8).hexdigest()


def design_document(index: Index | None) -> Document:
    """An index's design document; None stands for the index without fields."""
    view = {"map": map_source(index), "reduce": "_count", "options": {"collation": "raw"}}
    fields = [] if index is None else list(index.fields)
    return {"_id": design_name(index), "language": "javascript", "fields": fields, "views": {"rows": view}}


def map_source(index: Index | None) -> str:
    """The map function of an index."""
    paths = [] if index is None else [field.split(".") for field in index.fields]
    source = _MAP.replace("%PATHS%", orjson.dumps(paths).decode())
    return source.replace("%WHOLE%", str(_WHOLE_AT_MOST)).replace("%FIELD%", str(_FIELD_AT_MOST))


def count_fields(joined: bytes) -> int:
    """How many fields' keys a joined key of sortkeys.py holds."""
    at = number = 0
    while at < len(joined):
        tag = joined[at : at + 1]
        if tag == STRING:
            at = joined.index(b"\x00\x01", at) + 2
        else:
            at += 9 if tag == NUMBER else 1
        number += 1
    return number


def quoted(part: str) -> str:
    """One segment of a path."""
    return quote(part, safe="")


def answers_alone(row: Document, fields: tuple[str, ...] | None) -> bool:
    """Whether an index row's value holds all that is asked for: the whole document, or the given fields."""
    if CUT not in row:
        return True
    left: Any = row[CUT]
    if fields is None or left is None or INTENT in left or INTENT in row:
        return False
    return not any(field.partition(".")[0] in left for field in fields)
