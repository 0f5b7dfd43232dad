from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from emotion import yaml_text

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-5),
        (".5", 0.5),
        ("-3", -3),
        ("+7", 7),
        ("010", 10),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("True", True),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("2020-01-02", "2020-01-02"),
        ("'1'", "1"),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = yaml_text.parse(f"key: {text}")["key"]
    assert (found, type(found)) == (value, type(value))


def test_duplicate_key_is_refused() -> None:
    with pytest.raises(yaml.MarkedYAMLError, match='duplicate key "b"'):
        yaml_text.parse("a:\n  b: 1\n  b: 2")


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock"])
def test_files_of_this_project_read_as_dvc_reads_them(name: str) -> None:
    from dvc.utils.serialize import load_yaml

    assert yaml_text.parse((ROOT / name).read_text()) == load_yaml(str(ROOT / name))


def test_python_object_is_refused() -> None:
    with pytest.raises(yaml.YAMLError):
        yaml_text.parse("!!python/object/apply:os.getcwd []")
