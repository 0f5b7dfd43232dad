"""From pictures in any form to the faces in them and their expressions: what users call.

Reading and detection run in a pool of threads, classification in batches. Knows nothing of printing and drawing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from glob import escape, glob
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from emotion.errors import EmotionError, ImageError, one_line
from emotion.images import FACE_SIZE, read_image, to_face, to_grey
from emotion.inference.detection import Detection, crop, detector
from emotion.inference.network import Network
from emotion.inference.results import Box, Picture, face_from_probabilities

Source = Path | str | bytes | NDArray[Any] | Image.Image
"""A picture: a file's path or content, a uint8 array (grey, RGB or RGBA), or a Pillow picture."""

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Of the files that are taken out of a folder."""

BATCH: Final = 64
"""Faces that pass through the network at once."""

AHEAD: Final = 4
"""Pictures in flight for each thread that reads: enough that no thread waits, and memory does not grow."""


@dataclass(frozen=True)
class _Found:
    """A picture that was read, the places of its faces and their crops, uint8 (n, 48, 48)."""

    picture: Picture
    boxes: tuple[Box | None, ...] = ()
    crops: tuple[NDArray[np.uint8], ...] = ()


def find_pictures(path: str) -> Iterator[str]:
    """Find picture files.

    Args:
        path: a file, taken whatever its name and even if there is none; a folder, searched with those below it for
            files of `SUFFIXES`, hidden ones left out; or a pattern such as `holiday/**/*.jpg`.

    Yields:
        Paths, sorted; of a folder that must not be read its own, so that it is seen to be missing.
    """
    if _is_folder(path):
        yield from _search(path)
    elif not os.path.lexists(path) and (matches := sorted(glob(path, recursive=True))):  # noqa: PTH207  absolute ones too
        yield from (match for match in matches if not _is_folder(match))
    else:
        yield path


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  Path's raises for names too long and folders that must not be entered


def _search(path: str) -> Iterator[str]:
    unreadable: list[str] = []
    for folder, folders, names in os.walk(path, onerror=lambda error: unreadable.append(error.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = sorted(name for name in names if not name.startswith("."))
        yield from (str(Path(folder, name)) for name in visible if Path(name).suffix.lower() in SUFFIXES)
    yield from unreadable


class Predictor:
    """The network behind a face detector; safe to share between threads.

    Attributes:
        network: the network itself.
        classes: class names in the order of the probabilities.
        threshold: a face whose largest probability lies below it is uncertain, 0-1.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        threads: int = 0,
        detection: Detection = "haar",
        align: bool = False,
    ) -> None:
        """Load the network once, for any number of pictures.

        Args:
            model: an `.onnx` file that `export` wrote; None for the one that the package ships.
            threads: of the CPU; 0 for all cores.
            detection: `haar` finds faces, `none` takes every picture as one face.
            align: whether to level each pair of eyes before the crop.

        Raises:
            ModelError: the file is none of this project's models.
            EmotionError: the detection is unknown, or `threads` is below 0.
        """
        if threads < 0:
            raise EmotionError(f"expected 1 thread or more, or 0 for all cores, received {threads}")
        # Reading and detection want the cores between two calls.
        hint = "install emotion again" if model is None else "choose an .onnx file of this project"
        self.network = Network(None if model is None else Path(model), threads, yielding=True, hint=hint)
        self.classes = self.network.classes
        self.threshold = self.network.threshold
        self._detector = detector(detection)
        self._cropped = True if detection == "none" else None
        self._align = align
        workers = threads or os.cpu_count() or 1
        self._ahead = AHEAD * workers
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="emotion")

    def predict(self, images: Sequence[Source], *, cropped: bool | None = None) -> list[Picture]:
        """Find the faces in pictures and judge each.

        Args:
            images: paths, contents of files, Pillow pictures or uint8 arrays: (h, w) grey or (h, w, 3) **RGB**. OpenCV
                reads BGR: hand in `picture[:, :, ::-1]`.
            cropped: whether the pictures are faces already, which nobody need find; None takes those of 48x48 as faces.

        Returns:
            One for each input, in order; one that cannot be read says why in `error`.

        Raises:
            ImageError: an input is no picture by its type, or an array of another dtype or shape than uint8 (h, w),
                (h, w, 3) or (h, w, 4): that is a mistake of the program, not of a file.
        """
        return list(self.stream(images, cropped=cropped))

    def stream(self, images: Iterable[Source], *, cropped: bool | None = None) -> Iterator[Picture]:
        """Do as `predict` for any number of pictures, one after the other, with few of them in memory.

        Args:
            images: as for `predict`; drawn as they are needed, a few ahead of what is returned.
            cropped: as for `predict`.

        Yields:
            One for each input, in order.

        Raises:
            EmotionError: as for `predict`, or the predictor was made before this process was forked.
        """
        if os.getpid() != self._process:  # its threads stayed behind
            expected = "expected a Predictor of this process, received one made before a fork"
            raise EmotionError(f"{expected}; make a new one here")
        find = partial(self._find, cropped=self._cropped if cropped is None else cropped)
        waiting: deque[Future[_Found]] = deque()
        try:
            for number, image in enumerate(_refuse_one(images), start=1):
                waiting.append(self._pool.submit(find, number, image))
                if len(waiting) == self._ahead:
                    yield from self._judge(_take_finished(waiting))
            while waiting:
                yield from self._judge(_take_finished(waiting))
        finally:
            for future in waiting:
                future.cancel()

    def classify(self, grey: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.float32]:
        """Compute the probabilities of faces whose places are known, all in one batch.

        Args:
            grey: one picture, uint8, shape (h, w), 0-255.
            boxes: of its faces.

        Returns:
            float32, shape (boxes, classes), 0-1; order of `classes`.
        """
        return self._probabilities([crop(grey, box, align=self._align) for box in boxes])

    def _probabilities(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        faces = np.array(crops, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)
        return self.network.probabilities(faces, BATCH)

    def _find(self, number: int, image: Source, *, cropped: bool | None) -> _Found:
        """Read one picture and cut its faces out; runs in a thread of the pool."""
        source = str(image) if isinstance(image, Path | str) else f"picture {number}"
        try:
            grey = _read(image)
        except ValueError as error:  # an ImageError, or Pillow's on a rare colour mode
            if isinstance(error, ImageError) and error.reason.startswith("wrong_"):
                raise
            return _Found(Picture(source, error=one_line(error)))
        height, width = grey.shape
        picture = Picture(source, width, height)
        if cropped or (cropped is None and grey.shape == (FACE_SIZE, FACE_SIZE)):
            return _Found(picture, (None,), (to_face(grey),))
        boxes = tuple(self._detector.find(grey))
        return _Found(picture, boxes, tuple(crop(grey, box, align=self._align) for box in boxes))

    def _judge(self, found: Sequence[_Found]) -> Iterator[Picture]:
        """Classify the faces of several pictures together and hand each picture its own."""
        rows = iter(self._probabilities([face for one in found for face in one.crops]))
        for one in found:
            faces = [face_from_probabilities(box, next(rows), self.classes, self.threshold) for box in one.boxes]
            yield replace(one.picture, faces=tuple(faces))


def predict_emotion(image: Source) -> Picture:
    """Find the faces in one picture and judge each, with the shipped network, loaded once.

    Args:
        image: a path, the content of a file, a Pillow picture or a uint8 array: (h, w) grey or (h, w, 3) **RGB**.

    Returns:
        The picture; print it, or read `faces[0].label` and `faces[0].probabilities`.

    Raises:
        ImageError: as for `Predictor.predict`.
    """
    return _shared_predictor(os.getpid()).predict([image])[0]


@cache
def _shared_predictor(_process: int) -> Predictor:
    return Predictor()


def _refuse_one(images: Iterable[Source]) -> Iterable[Source]:
    """Refuse a single picture: a path would pass as a list of letters, an array as a list of its rows."""
    if isinstance(images, str | bytes | Path | np.ndarray | Image.Image):
        kind = type(images).__name__
        raise ImageError("wrong_type", f"expected a list of pictures, received one {kind}; put it into [ ]")
    if not isinstance(images, Iterable):
        raise ImageError("wrong_type", f"expected a list of pictures, received {type(images).__name__}")
    return images


def _take_finished(waiting: deque[Future[_Found]]) -> list[_Found]:
    """Take the first picture, waiting for it, and those behind it that are ready, into one batch."""
    taken = [waiting.popleft().result()]
    while waiting and waiting[0].done():
        taken.append(waiting.popleft().result())
    return taken


def _read(image: Source) -> NDArray[np.uint8]:
    if isinstance(image, np.ndarray):
        return to_grey(image)
    if isinstance(image, Image.Image):
        return to_grey(_upright(image))
    if isinstance(image, Path | str | bytes):
        return to_grey(read_image(image) if isinstance(image, bytes) else _read_file(str(image)))
    expected = "expected a path, the content of a picture file, a uint8 array or a Pillow picture"
    raise ImageError("wrong_type", f"{expected}, received {type(image).__name__}")


def _read_file(path: str) -> Image.Image:
    """Read a file; the error leaves its name out, which stands in `Picture.source`."""
    try:
        return read_image(Path(path))
    except ImageError as error:
        if not isinstance(error.__cause__, OSError) or error.reason != "not_found":
            raise
        received = f"none ({error.__cause__.strerror})"
        if "://" in path:
            received = "an address; download it first"
        elif escape(path) != path and isinstance(error.__cause__, FileNotFoundError):
            received = "a pattern that no file matches"
        raise ImageError(error.reason, f"expected a picture file, received {received}") from error


def _upright(image: Image.Image) -> Image.Image:
    """Turn a Pillow picture as `read_image` turns a file; it may be read only now, and be damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError("truncated", f"expected a whole picture, received one that is damaged ({error})") from error
