"""The command `emotion serve`: the web page and its API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.options import Detector, DeviceOption, Model, detection_of, requiring
from emotion.errors import EmotionError


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines need a password and a certificate.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    password: Annotated[
        str | None,
        typer.Option(envvar="EMOTION_PASSWORD", help="Password of the page; safer in the environment variable."),
    ] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(help="Certificate, a PEM file.", dir_okay=False)] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Its private key, a PEM file.", dir_okay=False)] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="Path below which a reverse proxy serves the page, such as /emotion.")
    ] = "",
    trust_proxy: Annotated[
        str,
        typer.Option(metavar="ADDRESSES", help="Addresses or networks of a reverse proxy whose headers are believed."),
    ] = "",
    local: Annotated[
        bool, typer.Option("--local", help="Serve the page whose networks run in the browser; no picture is sent.")
    ] = False,
    detector: Detector = "yunet",
    device: DeviceOption = "cpu",
    model: Model = None,
) -> None:
    """Serve a web page for photos and the webcam, and an API, on this machine."""
    with requiring("app"):
        from emotion.inference import network
        from emotion.server import app as server
        from emotion.server import auth, local_site
        from emotion.server.proxy import Proxy
    from emotion.inference.predictor import Predictor

    proxy = Proxy(root_path, trust_proxy)
    if password is None and not auth.is_local_address(host) and sys.stdin and sys.stdin.isatty():
        password = typer.prompt("Password for the page", hide_input=True)
    auth.check_exposure(host, password, ssl_certfile, ssl_keyfile, proxied=bool(trust_proxy))
    if local:
        if model or detector != "yunet" or device != "cpu":
            raise EmotionError("with --local the browser computes; leave out --model, --detector and --device")
        ready = server.prepare_app(
            local_site.create_app(password=password, proxy=proxy), ssl_certfile, ssl_keyfile, proxy
        )
    else:
        ready = server.prepare(
            Predictor(model, detection=detection_of(detector), device=device),
            password=password,
            certificate=ssl_certfile,
            key=ssl_keyfile,
            shipped=None if model else network.SHIPPED.parent,
            site=local_site.find_with(model or network.SHIPPED),
            proxy=proxy,
        )
    with server.listen(host, port) as listener:
        address = server.address_of(listener, host, secure=ssl_certfile is not None)
        stops = "Ctrl-C stops the server" if proxy or local else "Ctrl-C here or Exit on the page stops the server"
        print(f"Open {address}{root_path}  ({stops})", flush=True)
        ready.run([listener])
