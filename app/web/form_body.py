"""Forms from strangers: MAX_FORM_MEMORY_SIZE and MAX_FORM_PARTS for both ways in which browsers send a form.

Werkzeug keeps the two limits for multipart bodies only, and every form of ours without a file is URL-encoded: a
megabyte of "a&a&a..." would become half a million fields.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

URL_ENCODED = "application/x-www-form-urlencoded"


class BoundedForms(FormDataParser):
    """Werkzeug's parser with both limits; RequestEntityTooLarge (413) beyond them, before anything is parsed."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: Mapping[str, str] | None = None
    ) -> Any:
        """Read at most one byte more than may be there."""
        if mimetype == URL_ENCODED:
            most = self.max_form_memory_size
            body = stream.read() if most is None else stream.read(most + 1)
            if most is not None and len(body) > most:
                raise RequestEntityTooLarge
            if self.max_form_parts is not None and body.count(b"&") >= self.max_form_parts:
                raise RequestEntityTooLarge
            stream = BytesIO(body)
        return super().parse(stream, mimetype, content_length, dict(options or {}))
