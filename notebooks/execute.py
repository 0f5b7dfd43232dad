"""Run the tour and keep what it shows: `python notebooks/execute.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOK: Final = Path(__file__).parent / "tour.ipynb"


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells of a notebook in a folder and put their outputs into it, without the times of day.

    Raises:
        CellExecutionError: a cell failed.
    """
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources, record_timing=False).execute()
    # The version of Python, which would differ without a reason.
    notebook.metadata.language_info = {"name": "python"}


if __name__ == "__main__":
    tour = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    execute(tour, NOTEBOOK.parent)
    nbformat.write(tour, NOTEBOOK)  # type: ignore[no-untyped-call]
