"""Reads YAML as DVC does: version 1.2, where `1e-05` is a number and `no` is text, and without duplicate keys.

PyYAML by itself follows version 1.1 and accepts duplicate keys.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from emotion.errors import ParameterError, one_line


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


def read(path: Path) -> dict[str, Any]:
    """Read a YAML file with keys and values.

    Raises:
        ParameterError: the file is missing, is not UTF-8, is not valid YAML or holds something else.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"cannot read {path} ({error.strerror}); run it in the project's folder") from error
    except (UnicodeDecodeError, ReaderError) as error:
        raise ParameterError(f"{path} is not UTF-8 text ({one_line(error)}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ParameterError(f"{path}, line {line}: not valid YAML ({error.problem}); correct the line") from error
    except (ValueError, RecursionError) as error:  # thousands of nested brackets, a number of thousands of digits
        raise ParameterError(
            f"{path} is not valid YAML ({one_line(error)}); restore it: git checkout {path}"
        ) from error
    if not isinstance(content, dict):
        raise ParameterError(
            f"{path}: expected sections such as train, received {content!r}; restore it: git checkout {path}"
        )
    return content
