"""Draw the figures and write the model card from the files that the other stages left."""

from __future__ import annotations

from pathlib import Path

from emotion import dataset, diagrams, figures, grids, modelcard, params
from emotion.errors import run_as_command
from emotion.files import write_text


def plot() -> None:
    """Draw pictures and grids of faces, and write the model card."""
    settings = params.load()
    figures.draw_pictures(Path(), settings.plot)
    faces = {split: dataset.load(Path(f"data/faces/{split}.npz")) for split in figures.JUDGED}
    diagrams.draw_diagrams(Path(), faces["validation"].pixels, settings.plot)
    grids.draw_grids(Path(), faces, settings.plot)
    write_text(Path("models/card.md"), modelcard.write(modelcard.read_facts(Path(), settings.preprocess.split)))


if __name__ == "__main__":
    run_as_command(plot)
