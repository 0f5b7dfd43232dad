"""The notebook runs from top to bottom, its network learns, and its committed outputs come from such a run."""

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

# Appended to the notebook.
LAST_CELL = """
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


def output_types(cell: NotebookNode) -> list[list[str]]:
    """Return the type of each output of a cell: the name of a stream, or the formats of a result."""
    return [[output.name] if output.output_type == "stream" else sorted(output.data) for output in cell.outputs]


@pytest.fixture
def project_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with only the settings and the notebook; its temporary folders lie beside it."""
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


def linear_classifier_accuracy(folder: Path) -> float:
    """Return the test accuracy of a linear classifier on the pixels that the notebook trained on."""
    train, test = (dataset.load(folder / f"data/faces/{split}.npz") for split in ("train", "test"))
    flat = [split.pixels.reshape(len(split), -1) / 255 for split in (train, test)]
    score: float = RidgeClassifier(alpha=100.0).fit(flat[0], train.labels).score(flat[1], test.labels)
    return score


def test_committed_outputs_come_from_one_run_without_paths_and_errors() -> None:
    text, cells = NOTEBOOK.read_text(), code_of(read())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for cell in cells for output in cell.outputs} == {"display_data", "execute_result"}
    assert not re.findall(r"/(?:tmp|home|root|work|Users)/[^\"\\]*", text)
    assert "execution" not in {key for cell in cells for key in cell.metadata}  # times of day


def test_cells_are_short_and_text_comes_first_and_last() -> None:
    cells = read().cells
    assert max(len(cell.source.splitlines()) for cell in code_of(read())) <= 20
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"


def test_links_point_to_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(cell.source for cell in read().cells))
    assert links
    assert all((NOTEBOOK.parent / link).is_file() for link in links)


def test_settings_are_found_in_the_root_and_can_be_read_again(project_copy: Path) -> None:
    notebook = read()
    starts = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"][:3]
    notebook.cells = [notebook.cells[index] for index in (*starts, *starts)]
    execute(notebook, project_copy)
    assert files_below(project_copy) == {"params.yaml", "notebooks/tour.ipynb"}


@pytest.mark.slow
def test_network_learns_the_drawn_faces_and_classifies_the_photo(project_copy: Path) -> None:
    notebook = read(project_copy / "notebooks/tour.ipynb")
    shown = [output_types(cell) for cell in code_of(notebook)]
    notebook.cells.append(nbformat.v4.new_code_cell(LAST_CELL))  # type: ignore[no-untyped-call]
    execute(notebook, project_copy / "notebooks")
    *cells, last = code_of(notebook)
    assert [output_types(cell) for cell in cells] == shown
    predictions: dict[str, Any] = json.loads(last.outputs[0].text)
    floor = linear_classifier_accuracy(Path(predictions["folder"]))
    assert 0.3 < floor < predictions["accuracy"] - 0.2
    assert predictions["labels"] == ["happy"]
    assert files_below(project_copy) == {"params.yaml", "notebooks/tour.ipynb"}
