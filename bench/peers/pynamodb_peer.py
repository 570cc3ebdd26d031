"""PynamoDB: a model of the plain table, with a typed attribute for every field of a document.

It answers models and not dictionaries, which is what its users work with. A field that is null is left out.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from pynamodb.attributes import BooleanAttribute, ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from bench.data import TENANT
from bench.peers import Document
from bench.peers.plain_dynamodb import INDEX, Place, place_in_list


class Owner(MapAttribute[str, Any]):
    """The object within a document."""

    id = UnicodeAttribute()
    name = UnicodeAttribute()
    active = BooleanAttribute()


class PynamoDb:
    """The model's own methods."""

    title = "PynamoDB"

    def __init__(self, place: Place) -> None:
        self._model = _model_of(place)

    def taken(self, document: Document) -> Document:
        """As it is."""
        return document

    def get(self, id: str) -> Any:
        return self._model.get(TENANT, id, consistent_read=True)

    def get_many(self, ids: Sequence[str]) -> list[Any]:
        return list(self._model.batch_get([(TENANT, id) for id in ids], consistent_read=True))

    def save(self, id: str, document: Document) -> object:
        return self._record(id, document).save()

    def save_many(self, documents: Iterable[tuple[str, Document]]) -> None:
        with self._model.batch_write() as batch:
            for id, document in documents:
                batch.save(self._record(id, document))

    def page(self, status: str, limit: int) -> list[Any]:
        index: Any = self._model.index
        condition = self._model.by_status.startswith(f"{status}#")
        return list(index.query(TENANT, condition, limit=limit))

    def plain(self, found: Any) -> Document:
        """A model as a dictionary."""
        made: Document = found.to_simple_dict()
        return made

    def answer_by(self, session: Any) -> None:
        """Let another HTTP session answer."""
        client: Any = self._model._get_connection().connection.client
        client._endpoint.http_session = session

    def _record(self, id: str, document: Document) -> Any:
        rev = os.urandom(12).hex()
        return self._model(tenant=TENANT, id=id, rev=rev, by_status=place_in_list(document), **document)


def _model_of(place: Place) -> Any:
    """The class, made for one table: PynamoDB keeps the connection in it."""

    class Listed(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = INDEX
            projection = AllProjection()

        tenant = UnicodeAttribute(hash_key=True)
        by_status = UnicodeAttribute(range_key=True)

    class Record(Model):
        class Meta:
            table_name = place.table
            region = place.region
            host = place.endpoint
            aws_access_key_id = place.access_key
            aws_secret_access_key = place.secret_key

        tenant = UnicodeAttribute(hash_key=True)
        id = UnicodeAttribute(range_key=True)
        rev = UnicodeAttribute()
        by_status = UnicodeAttribute()
        index = Listed()
        name = UnicodeAttribute()
        status = UnicodeAttribute()
        owner = Owner()
        tags: Any = ListAttribute(of=UnicodeAttribute)
        description = UnicodeAttribute()
        temperature = NumberAttribute()
        runs = NumberAttribute()
        limit = NumberAttribute(null=True)
        created_at = UnicodeAttribute()
        updated_at = UnicodeAttribute()

    return Record
