"""What `POST /api/predict` takes and gives, as OpenAPI writes it.

By hand, because the request is read by hand: FastAPI would put larger files on the disk. A test holds answers to it.
"""

from __future__ import annotations

from typing import Any, Final

from emotion.server.uploads import MAX_BYTES

SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}

BOX: Final = {
    "description": "In pixels of the upright picture; null where the whole picture was taken as a face",
    "type": ["object", "null"],
    "required": ["left", "top", "width", "height"],
    "properties": {edge: {"type": "integer"} for edge in ("left", "top", "width", "height")},
}

FACE: Final = {
    "type": "object",
    "required": ["box", "label", "confidence", "uncertain", "probabilities"],
    "properties": {
        "box": BOX,
        "label": {"description": "The most probable class: an apparent expression, not a feeling", "type": "string"},
        "confidence": {"description": "Probability of the label", **SHARE},
        "uncertain": {"description": "Whether the confidence lies below the network's threshold", "type": "boolean"},
        "probabilities": {"description": "By class", "type": "object", "additionalProperties": SHARE},
    },
}

PICTURE: Final = {
    "type": "object",
    "required": ["source", "width", "height", "faces", "error"],
    "properties": {
        "source": {"description": "The file's name", "type": "string"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "faces": {"description": "From the largest to the smallest", "type": "array", "items": FACE},
        "error": {"type": "null"},
    },
}

BODY: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}
"""A form with one file, or the file alone."""

ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The faces of the picture",
        "content": {"application/json": {"schema": PICTURE}, "text/csv": {"schema": {"type": "string"}}},
    },
    400: {"description": "The body is no picture file or form with one, or the host is none of this server's"},
    401: {"description": "The password is missing or wrong"},
    403: {"description": "The request comes from another site's page, or from another machine"},
    408: {"description": "The picture took too long to arrive"},
    413: {"description": f"The body is larger than {MAX_BYTES} bytes"},
    422: {"description": "The picture cannot be read or is too large"},
    429: {"description": "A wrong password came just before"},
    503: {"description": "The server is busy; try again in a second"},
}
