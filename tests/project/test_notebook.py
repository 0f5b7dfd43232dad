"""The tour: it runs from top to bottom, learns and sees, and what is committed is what it says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from sklearn.linear_model import RidgeClassifier

from emotion import dataset
from notebooks.execute import NOTEBOOK, execute

ROOT = Path(__file__).parents[2]

# Put to the notebook at its end.
QUESTIONS = """
import json
print(json.dumps({
    "accuracy": headlines["test"]["accuracy"],
    "labels": [face.label for face in picture.faces],
    "folder": str(folder),
}))
"""


def read(path: Path = NOTEBOOK) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds_of(cell: NotebookNode) -> list[list[str]]:
    """Return what a cell shows: the name of each stream, the formats of each result."""
    return [[output.name] if output.output_type == "stream" else sorted(output.data) for output in cell.outputs]


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of settings and notebook alone, whose temporary folders lie beside it."""
    scratch = tmp_path / "scratch"
    project = tmp_path / "project"
    for folder in (scratch, project / "notebooks"):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", project)
    shutil.copy(NOTEBOOK, project / "notebooks")
    monkeypatch.setenv("TMPDIR", str(scratch))
    return project


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def accuracy_of_a_straight_line(folder: Path) -> float:
    """Return the accuracy on test of a linear classifier of the pixels that the notebook trained on."""
    train, test = (dataset.load(folder / f"data/faces/{split}.npz") for split in ("train", "test"))
    flat = [split.pixels.reshape(len(split), -1) / 255 for split in (train, test)]
    score: float = RidgeClassifier(alpha=100.0).fit(flat[0], train.labels).score(flat[1], test.labels)
    return score


def test_committed_outputs_are_of_one_run_without_paths_and_failures() -> None:
    text, cells = NOTEBOOK.read_text(), code_of(read())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for cell in cells for output in cell.outputs} == {"display_data", "execute_result"}
    assert not re.findall(r"/(?:tmp|home|root|work|Users)/[^\"\\]*", text)
    assert "execution" not in {key for cell in cells for key in cell.metadata}  # times of day


def test_cells_are_short_and_text_stands_between() -> None:
    cells = read().cells
    assert max(len(cell.source.splitlines()) for cell in code_of(read())) <= 20
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(cell.source for cell in read().cells))
    assert links
    assert all((NOTEBOOK.parent / link).is_file() for link in links)


def test_settings_are_found_from_the_root_and_read_again(copied: Path) -> None:
    notebook = read()
    starts = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"][:3]
    notebook.cells = [notebook.cells[index] for index in (*starts, *starts)]
    execute(notebook, copied)
    assert files_below(copied) == {"params.yaml", "notebooks/tour.ipynb"}


@pytest.mark.slow
def test_tour_learns_the_drawn_faces_and_reads_the_photo(copied: Path) -> None:
    notebook = read(copied / "notebooks/tour.ipynb")
    shown = [kinds_of(cell) for cell in code_of(notebook)]
    notebook.cells.append(nbformat.v4.new_code_cell(QUESTIONS))  # type: ignore[no-untyped-call]
    execute(notebook, copied / "notebooks")
    *cells, last = code_of(notebook)
    assert [kinds_of(cell) for cell in cells] == shown
    predictions: dict[str, Any] = json.loads(last.outputs[0].text)
    floor = accuracy_of_a_straight_line(Path(predictions["folder"]))
    assert 0.3 < floor < predictions["accuracy"] - 0.2
    assert predictions["labels"] == ["happy"]
    assert files_below(copied) == {"params.yaml", "notebooks/tour.ipynb"}
