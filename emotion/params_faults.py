"""Faults of settings in a person's words: which setting, what was expected, what was received."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_LIMITS: Final = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
_NUMBER_ERRORS: Final = {
    "finite_number",
    "float_type",
    "greater_than",
    "greater_than_equal",
    "int_from_float",
    "int_type",
    "less_than",
    "less_than_equal",
}


def describe(fault: ErrorDetails, settings: type[BaseModel]) -> str:
    """Say which setting is wrong, what was expected and what was received.

    Args:
        fault: one fault, as pydantic reports it.
        settings: the class whose validation found the fault.
    """
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "value_error":
        return f"{where}.{fault['ctx']['error']}".removeprefix(".")
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key ({_suggest(fault, settings)})"
    received = "none" if fault["type"] == "missing" else repr(fault["input"])
    return f"{where}: expected {_expected(fault, settings)}, received {received}"


def _suggest(fault: ErrorDetails, settings: type[BaseModel]) -> str:
    *sections, key = fault["loc"]
    known = _fields(sections, settings)
    close = get_close_matches(str(key), known, 1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(known)}"


def _expected(fault: ErrorDetails, settings: type[BaseModel]) -> str:
    *sections, key = fault["loc"]
    match fault["type"]:
        case "invalid_key":
            return "text as the key"
        case "missing":
            return "a value"
        case "model_type":
            return "keys with values below it"
        case "too_short":
            return f"at least {fault['ctx']['min_length']}"
        case "string_pattern_mismatch":
            return f"{_fields(sections, settings)[str(key)].description}"
        case kind if kind in _NUMBER_ERRORS:
            return _range(_fields(sections, settings)[str(key)])
    return fault["msg"].removeprefix("Input should be ")


def _fields(sections: Sequence[int | str], settings: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the settings of a section by key."""
    fields = settings.model_fields
    for name in sections:
        section: Any = fields[str(name)].annotation
        fields = section.model_fields
    return fields


def _range(field: FieldInfo) -> str:
    kind = "a whole number" if field.annotation is int else "a number"
    limits = [
        f"{sign} {getattr(rule, name)}" for rule in field.metadata for name, sign in _LIMITS if hasattr(rule, name)
    ]
    return f"{kind} {' and '.join(limits)}"
