from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from emotion.errors import ModelError
from emotion.metadata import Metadata, parse

METADATA = Metadata(
    classes=("happy", "sad"),
    face_size=48,
    temperature=1.25,
    data_sha256="0" * 64,
    backend="tensorflow",
    device="cpu",
    parameters={"train": {"epochs": 3, "augmentation": {"flip": 0.5}}, "preprocess": {"classes": ["happy", "sad"]}},
)


def test_metadata_are_the_same_after_writing_and_reading() -> None:
    assert parse(METADATA.to_json(), "emotion.onnx") == METADATA


def test_equal_metadata_give_equal_text_whatever_the_order_of_parameters() -> None:
    reordered = {name: METADATA.parameters[name] for name in reversed(METADATA.parameters)}
    assert Metadata(**{**asdict(METADATA), "parameters": reordered}).to_json() == METADATA.to_json()


# Only `export` sets the threshold, so it may be missing.
@pytest.mark.parametrize("field", sorted(asdict(METADATA).keys() - {"threshold"}))
def test_missing_field_is_named_in_the_error(field: str) -> None:
    content = json.loads(METADATA.to_json())
    del content[field]
    with pytest.raises(ModelError, match=rf"^other\.onnx has metadata that cannot be read \(.*{field}.*\); use models"):
        parse(json.dumps(content), "other.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '"text"', '{"classes": 7}'])
def test_text_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"^other\.onnx has metadata that cannot be read \("):
        parse(text, "other.onnx")


def test_unknown_field_is_refused() -> None:
    content = {**json.loads(METADATA.to_json()), "colour": "blue"}
    with pytest.raises(ModelError, match="colour"):
        parse(json.dumps(content), "other.onnx")


def test_file_without_metadata_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(
        ModelError, match=r"^other\.onnx has no metadata, so this project did not write it; use models/"
    ):
        parse(None, "other.onnx")
