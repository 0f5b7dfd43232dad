"""The page that needs no server (`web/`): where its build lies, and the application that serves it alone.

A wheel of a release carries the build; in a clone `make site` makes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from emotion.errors import EmotionError
from emotion.files import read_json, sha256_of
from emotion.server.auth import AccessControl
from emotion.server.proxy import NO_PROXY, Proxy, RootPath

PACKAGED: Final = Path(__file__).parent / "site"
"""Where a wheel of a release carries the build."""

BUILT: Final = Path(__file__).parents[2] / "build" / "site"
"""Where `make site` puts it in a clone."""


class SiteError(EmotionError):
    """There is no build of the page that could be served."""


def find() -> Path | None:
    """Return the folder of the build; None if this installation has none."""
    return next((folder for folder in (PACKAGED, BUILT) if (folder / "index.html").is_file()), None)


def find_with(model: Path) -> Path | None:
    """Return the folder of the build if its network is that of a model file; None otherwise."""
    folder = find()
    if folder is None or not model.is_file():
        return None
    return folder if read_json(folder / "engine" / "facts.json")["network"] == sha256_of(model) else None


def create_app(*, password: str | None = None, proxy: Proxy = NO_PROXY) -> FastAPI:
    """Build the application that serves the page's files and nothing else.

    Args:
        password: None for a server that answers this machine only.
        proxy: the reverse proxy in front.

    Raises:
        SiteError: this installation has no build of the page.
    """
    folder = find()
    if folder is None:
        raise SiteError(
            "this installation has no page that works without a server; run make site in a clone, or install a wheel "
            "of a release"
        )
    app = FastAPI(openapi_url=None)
    app.add_middleware(AccessControl, password=password)
    app.add_middleware(RootPath, root_path=proxy.root_path)
    app.mount("/", StaticFiles(directory=folder, html=True), name="site")
    return app
