"""Draw the figures and write the model card from the files of the other stages."""

from __future__ import annotations

from pathlib import Path

from emotion import dataset, params
from emotion.files import write_text
from emotion.labels import REPORTED_SPLITS
from emotion.report import diagrams, face_grids, figures, model_card
from emotion.stage_run import run_as_command


def plot() -> None:
    """Draw figures and grids of faces, and write the model card."""
    settings = params.load()
    figures.draw_pictures(Path(), settings.plot)
    faces = {split: dataset.load(Path(f"data/faces/{split}.npz")) for split in REPORTED_SPLITS}
    diagrams.draw_diagrams(Path(), faces["validation"].pixels, settings.plot)
    face_grids.draw_grids(Path(), faces, settings.plot)
    write_text(Path("models/card.md"), model_card.write(model_card.read_facts(Path(), settings.preprocess.split)))


if __name__ == "__main__":
    run_as_command(plot)
