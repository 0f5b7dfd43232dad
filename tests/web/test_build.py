"""`make site` on a fresh clone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from running_node import needs_packages
from small_pipeline import copy_tree

ROOT = Path(__file__).parents[2]

MEGABYTES = 15
"""Largest first visit: all files of the page, as they are sent, without those that only a graphics processor needs."""

ON_DEMAND = "engine/gpu"


@needs_packages
def test_first_visit_stays_within_its_megabytes(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.is_file() and not path.is_relative_to(site / ON_DEMAND)]
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 1e6


@needs_packages
@pytest.mark.slow
def test_make_site_on_a_fresh_clone_gives_a_folder_of_files(tmp_path: Path, detector_weights: Path) -> None:
    assert detector_weights
    copy_tree(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["make", "site"], cwd=tmp_path, check=True, capture_output=True)
    names = {path.name for path in (tmp_path / "build/site").iterdir()}
    assert names == {"engine", "index.html", "licenses.txt", "service_worker.js", "static"}
