"""The stage `preprocess`: clean the faces of the archive and split them into dataset files."""

from __future__ import annotations

from pathlib import Path

from emotion import dataset, params
from emotion.data import archives, messages, raters
from emotion.data.cleaning import clean
from emotion.data.layouts import read_class_names, read_records
from emotion.files import write_csv, write_json
from emotion.stage_run import run_as_command


def preprocess() -> None:
    """Read `data/raw/`; write the dataset files, the headline numbers and the class counts."""
    settings = params.load().preprocess
    archive = Path("data/raw/faces.zip")
    class_names = read_class_names(archives.names(archive), settings.class_names)
    for line in messages.describe_class_names(class_names, settings.class_names):
        print(line, flush=True)
    records = read_records(archives.members(archive), class_names)
    cleaned = clean(raters.join(records, raters.read(Path("data/raw/votes.csv"))), settings)
    for line in messages.describe_cleaning(cleaned.faults, cleaned.left_out):
        print(line)
    for split, faces in cleaned.datasets.items():
        dataset.save(faces, Path(f"data/faces/{split}.npz"))
    counts = [(split, *count) for split, faces in cleaned.datasets.items() for count in faces.counts().items()]
    write_csv(Path("plots/data/classes.csv"), ("split", "class", "faces"), counts)
    write_json(Path("metrics/data.json"), cleaned.summary)


if __name__ == "__main__":
    run_as_command(preprocess)
