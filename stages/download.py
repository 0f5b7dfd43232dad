"""The stage `download`: fetch, draw or import the faces and their votes, and pack the faces into one canonical zip."""

from emotion import params
from emotion.data.download import fetch
from emotion.stage_run import run_as_command


def download() -> None:
    """Write `faces.zip`, `votes.csv` and `source.json` in `data/raw/`."""
    fetch(params.load().download)


if __name__ == "__main__":
    run_as_command(download)
