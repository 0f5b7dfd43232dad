"""Archive members made of noise, in each layout, for the tests of layouts, cleaning and preprocess."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from emotion.labels import CSV_CODES, NAMES, OFFICIAL_SPLITS

Members = list[tuple[str, bytes]]


def noise(seed: int, size: tuple[int, int] = (48, 48), mode: str = "L") -> Image.Image:
    bands = Image.getmodebands(mode)
    shape = (size[1], size[0]) if bands == 1 else (size[1], size[0], bands)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values) if mode in {"L", "RGB", "RGBA"} else Image.fromarray(values).convert(mode)


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def pictures(faces: int = 2, classes: Iterable[str] = NAMES) -> Members:
    """Return Kaggle's layout with this many different faces of every class in each official split."""
    return [
        (
            f"{'train' if usage == 'Training' else 'test'}/{name}/{usage}_{number}.png",
            encode(noise(seed_of(usage, name, number))),
        )
        for name in classes
        for usage in OFFICIAL_SPLITS
        for number in range(faces)
    ]


def seed_of(*parts: object) -> int:
    """Return a seed that is the same in every process for equal parts; `hash` is not."""
    return zlib.crc32(repr(parts).encode())


def row(emotion: object = 3, usage: str = "Training", seed: int = 0) -> list[str]:
    return [str(emotion), " ".join(map(str, np.asarray(noise(seed)).ravel())), usage]


def rows(faces: int = 2) -> list[list[str]]:
    return [
        row(code, usage, seed_of(usage, code, number))
        for code in range(len(CSV_CODES))
        for usage in OFFICIAL_SPLITS
        for number in range(faces)
    ]


def table(lines: Sequence[Sequence[str]], header: str = "emotion,pixels,Usage") -> bytes:
    return "\n".join([header, *(",".join(line) for line in lines), ""]).encode()
