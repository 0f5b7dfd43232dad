"""Reads YAML as DVC does: version 1.2, where `1e-05` is a number and `no` is text, and without duplicate keys.

PyYAML by itself follows version 1.1 and accepts duplicate keys.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars as in the core schema of YAML 1.2 (section 10.3.2)."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own type

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse duplicate keys; PyYAML would use the last one."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                fault = f'found duplicate key "{key.value}"'
                raise yaml.constructor.ConstructorError(None, None, fault, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_int(self, node: yaml.ScalarNode) -> int:
        """Read a whole number; a leading zero does not make it octal."""
        return int(self.construct_scalar(node))


_NUMBER = list("-+.0123456789")
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", _NUMBER),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", _NUMBER),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", _NUMBER),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)


def parse(text: str) -> Any:
    """Read a YAML document.

    Raises:
        yaml.YAMLError: the text is not valid YAML or has duplicate keys.
    """
    return yaml.load(text, _Loader)  # noqa: S506  # `_Loader` is a safe loader
