"""The request and the answers of `POST /api/predict`, as its OpenAPI description shows them.

The models only describe: `inference.formats` writes the JSON, and a test holds it to them. The request body is a
literal because the server reads it by hand: FastAPI would write larger files to disk.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from emotion.server.uploads import MAX_BYTES

Probability = Annotated[float, Field(ge=0, le=1)]


class Box(BaseModel):
    """Where a face is, in pixels of the upright image."""

    left: int
    top: int
    width: int
    height: int


class Face(BaseModel):
    """One face and its apparent expression."""

    box: Box | None = Field(description="null if the whole image was taken as one face")
    landmarks: list[tuple[float, float]] | None = Field(
        description="x and y, in pixels, of the eyes, the nose and the corners of the mouth; null if they are unknown"
    )
    label: str = Field(description="The most probable class: an apparent expression, not a feeling")
    confidence: Probability = Field(description="Probability of the label")
    uncertain: bool = Field(description="Whether the confidence is below the network's threshold")
    probabilities: dict[str, Probability] = Field(description="Probability of each class")


class Picture(BaseModel):
    """One image and the faces in it."""

    source: str = Field(description="Name of the file")
    width: int
    height: int
    detector: str | None = Field(description="Which face detector searched the image; null if none did")
    faces: list[Face] = Field(description="From the largest to the smallest")
    error: None


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
    200: {"description": "The faces in the image", "content": {"text/csv": {"schema": {"type": "string"}}}},
    400: {"description": "The body is neither an image file nor a form with one, or the host name is not allowed"},
    401: {"description": "The password is missing or wrong"},
    403: {"description": "The request comes from another site's page or from another machine"},
    408: {"description": "The image took too long to arrive"},
    413: {"description": f"The body is larger than {MAX_BYTES} bytes"},
    422: {"description": "The image cannot be read or is too large"},
    429: {"description": "Too many wrong passwords"},
    503: {"description": "The server is busy; try again in a second"},
}
"""What each status means; FastAPI adds the JSON of 200 from `Picture`."""
