"""Find the faces in pictures and classify their expressions: the API for Python programs.

Pictures are read and searched in a pool of threads and classified in batches. This module neither prints nor draws.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import EmotionError, ImageError, one_line
from emotion.images import FACE_SIZE, to_face, to_grey
from emotion.inference.detection import Detection, crop, detector
from emotion.inference.devices import Device
from emotion.inference.network import Network
from emotion.inference.pictures import PictureSource, check_list, read_picture, to_rgb
from emotion.inference.precision import Precision
from emotion.inference.results import DetectedFace, Picture, face_from_probabilities

BATCH: Final = 64
"""Largest number of faces that pass through the network at once."""

AHEAD: Final = 4
"""Pictures in progress for each thread of the pool: enough to keep it busy, few enough to limit the memory."""


@dataclass(frozen=True)
class _Crops:
    """A picture, where its faces are, and the crop of each face, uint8 (48, 48)."""

    picture: Picture
    found: tuple[DetectedFace | None, ...] = ()
    crops: tuple[NDArray[np.uint8], ...] = ()


class Predictor:
    """A face detector and the network that classifies the faces; safe to share between threads.

    A pickled predictor, as for another process, loads its files again.

    Attributes:
        network: the network.
        classes: class names in the order of the probabilities.
        threshold: a face whose largest probability is below it is uncertain, 0-1.
        detector: the face detector.

    Example:
        >>> from skimage.data import astronaut
        >>> from emotion import Predictor
        >>> predictor = Predictor()
        >>> photo, missing = predictor.predict([astronaut(), "missing.jpg"])
        >>> [face.label for face in photo.faces]
        ['happy']
        >>> missing.error
        'no readable file (No such file or directory)'
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        threads: int = 0,
        detection: Detection | Path = "yunet",
        smallest: int | None = None,
        largest: bool = False,
        device: Device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        """Load the network, once for any number of pictures.

        Args:
            model: an `.onnx` file written by the `export` stage; None for the shipped network.
            threads: CPU threads to use; 0 for all cores.
            detection: the face detector: `yunet`, `haar`, or a file with the weights of YuNet. `yunet` fetches them
                once; where it cannot, Haar takes its place, and the log of `emotion` says so.
            smallest: edge of the smallest face to find, in pixels; larger is faster. None for 24, with Haar 32 to 48.
            largest: whether only the largest face of each picture counts.
            device: where the network computes: `cpu`, `gpu`, or `auto` for a GPU where there is one. The face detector
                always uses the CPU.
            precision: `float32`, or `int8` for the smaller and faster network beside the model, on the device `cpu`.

        Raises:
            ModelError: a file is missing or is not a model of this project, no GPU can be used, or int8 gives other
                labels than float32 too often.
            EmotionError: the face detector, the device or the precision is unknown, `threads` is below 0, or `smallest`
                below 1.
        """
        if threads < 0:
            raise EmotionError(f"expected at least 1 thread, or 0 for all cores, received {threads}")
        self._again = partial(
            Predictor,
            model,
            threads=threads,
            detection=detection,
            smallest=smallest,
            largest=largest,
            device=device,
            precision=precision,
        )
        hint = "install emotion again" if model is None else "choose an .onnx file of this project"
        # Between two calls, reading and detection need the cores.
        path = None if model is None else Path(model)
        self.network = Network(path, threads, spin=False, hint=hint, device=device, precision=precision)
        self.classes = self.network.classes
        self.threshold = self.network.threshold
        self.detector = detector(detection, smallest)
        self._most = 1 if largest else None
        workers = threads or os.cpu_count() or 1
        self._ahead = AHEAD * workers
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="emotion")

    def __reduce__(self) -> tuple[Callable[[], Predictor], tuple[Any, ...]]:
        return self._again, ()

    def predict(self, images: Sequence[PictureSource], *, cropped: bool | None = None) -> list[Picture]:
        """Find the faces in pictures and classify each face.

        Args:
            images: paths, contents of files, Pillow images or uint8 arrays: (h, w) grey or (h, w, 3) **RGB**. OpenCV
                reads BGR; pass `picture[:, :, ::-1]`.
            cropped: whether each picture is one cropped face, so that no search is needed; None treats pictures of
                48x48 pixels as cropped faces and searches all others.

        Returns:
            One result for each input, in order; `error` of a picture that cannot be read says why.

        Raises:
            ImageError: an input has the wrong type, or an array is not uint8 (h, w), (h, w, 3) or (h, w, 4). Such an
                input is a mistake in the program, not a damaged file.
        """
        return list(self.stream(images, cropped=cropped))

    def stream(self, images: Iterable[PictureSource], *, cropped: bool | None = None) -> Iterator[Picture]:
        """Do the same as `predict`, but keep only a few pictures in memory.

        Args:
            images: as for `predict`; read a few at a time, shortly before their results are returned.
            cropped: as for `predict`.

        Yields:
            One result for each input, in order.

        Raises:
            EmotionError: as for `predict`, or the process was forked after this predictor was made.
        """
        for picture, _ in self.stream_crops(images, cropped=cropped):
            yield picture

    def stream_crops(
        self, images: Iterable[PictureSource], *, cropped: bool | None = None
    ) -> Iterator[tuple[Picture, tuple[NDArray[np.uint8], ...]]]:
        """Do the same as `stream`, and yield with each picture what the network saw of it.

        Args:
            images: as for `stream`.
            cropped: as for `predict`.

        Yields:
            The result, and the crop of each of its faces, uint8 (48, 48), grey, 0-255.

        Raises:
            EmotionError: as for `stream`.
        """
        if os.getpid() != self._process:  # a fork copies no threads
            raise EmotionError("a Predictor does not work after a fork; make a new one in this process")
        find = partial(self._find, cropped=cropped)
        waiting: deque[Future[_Crops]] = deque()
        try:
            for number, image in enumerate(check_list(images), start=1):
                waiting.append(self._pool.submit(find, number, image))
                if len(waiting) == self._ahead:
                    yield from self._classify_crops(_take_finished(waiting))
            while waiting:
                yield from self._classify_crops(_take_finished(waiting))
        finally:
            for future in waiting:
                future.cancel()

    def classify(self, grey: NDArray[np.uint8], found: Sequence[DetectedFace]) -> NDArray[np.float32]:
        """Classify the faces of a picture that were found before.

        Args:
            grey: one picture, uint8, shape (h, w), 0-255.
            found: where its faces are.

        Returns:
            float32, shape (faces, classes), 0-1, in the order of `classes`.
        """
        return self._probabilities([crop(grey, face) for face in found])

    def _probabilities(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        faces = np.array(crops, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)
        return self.network.probabilities(faces, BATCH)

    def _find(self, number: int, image: PictureSource, *, cropped: bool | None) -> _Crops:
        """Read one picture and crop its faces; runs in a thread of the pool."""
        source = str(image) if isinstance(image, Path | str) else f"picture {number}"
        try:
            picture = read_picture(image)
            grey = to_grey(picture)
        except ValueError as error:  # an ImageError, or Python's own error on a path with a null character
            if isinstance(error, ImageError) and error.reason.startswith("wrong_"):
                raise
            return _Crops(Picture(source, error=one_line(error)))
        height, width = grey.shape
        if cropped or (cropped is None and grey.shape == (FACE_SIZE, FACE_SIZE)):
            return _Crops(Picture(source, width, height), (None,), (to_face(grey),))
        found = tuple(self.detector.find(to_rgb(picture))[: self._most])
        searched = Picture(source, width, height, detector=self.detector.name)
        return _Crops(searched, found, tuple(crop(grey, face) for face in found))

    def _classify_crops(self, batch: Sequence[_Crops]) -> Iterator[tuple[Picture, tuple[NDArray[np.uint8], ...]]]:
        """Classify the faces of several pictures together and add them to their pictures."""
        rows = iter(self._probabilities([face for item in batch for face in item.crops]))
        for item in batch:
            faces = [face_from_probabilities(face, next(rows), self.classes, self.threshold) for face in item.found]
            yield replace(item.picture, faces=tuple(faces)), item.crops


def predict_emotion(image: PictureSource) -> Picture:
    """Find the faces in one picture and classify each face with the shipped network.

    The first call loads the network; later calls use it again.

    Args:
        image: a path, the content of a file, a Pillow image or a uint8 array: (h, w) grey or (h, w, 3) **RGB**.

    Returns:
        The picture with its faces; print it, or read `faces[0].label` and `faces[0].probabilities`.

    Raises:
        ImageError: as for `Predictor.predict`.

    Example:
        >>> from skimage.data import astronaut
        >>> from emotion import predict_emotion
        >>> picture = predict_emotion(astronaut())
        >>> picture.faces[0].label
        'happy'
    """
    return _shared_predictor(os.getpid()).predict([image])[0]


@cache
def _shared_predictor(_process: int) -> Predictor:
    return Predictor()


def _take_finished(waiting: deque[Future[_Crops]]) -> list[_Crops]:
    """Wait for the first picture; return it with the finished ones behind it as one batch."""
    taken = [waiting.popleft().result()]
    while waiting and waiting[0].done():
        taken.append(waiting.popleft().result())
    return taken
