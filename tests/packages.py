"""The packages that the project needs."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def lowest_of_pyproject(package: str) -> str:
    """Return the lowest version of a package of the extra pipeline."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = map(Requirement, project["optional-dependencies"]["pipeline"])
    (specifier,) = next(requirement.specifier for requirement in needed if requirement.name == package)
    return specifier.version
