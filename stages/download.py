"""The stage `download`: fetch, draw or import the faces and pack them into one canonical zip."""

from emotion import params
from emotion.data.download import fetch
from emotion.errors import run_as_command


def download() -> None:
    """Write `data/raw/faces.zip` and `data/raw/source.json`."""
    fetch(params.load().download)


if __name__ == "__main__":
    run_as_command(download)
