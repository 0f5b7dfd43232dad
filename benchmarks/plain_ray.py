"""The command `python -m benchmarks.plain_ray FOLDER TARGET`: a plain Ray Data pipeline, to compare `emotion score`.

It is the pipeline of Ray's own examples for batch inference: files are read as bytes, actors hold the network, Parquet
is written. The detector is Haar on every whole picture, with one call of the network per face.
"""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.images import to_face
from emotion.inference.detection import detector
from emotion.inference.network import Network
from emotion.scoring.ray_library import ray, silence

WORKERS = 2

Batch = dict[str, NDArray[Any]]


class Classifier:
    """Finds faces and labels them."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._network, self._detector = Network(threads=1), detector("haar")

    def __call__(self, batch: Batch) -> Batch:
        """Label the faces in some files."""
        files = zip(batch["path"], batch["bytes"], strict=True)
        found = [(path, label) for path, content in files for label in self._label(content)]
        return {
            "path": np.array([path for path, _ in found], str),
            "label": np.array([label for _, label in found], str),
        }

    def _label(self, content: bytes) -> list[str]:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            return []
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        faces = [face.box for face in self._detector.find(np.asarray(picture, np.uint8))]
        crops = [to_face(grey[max(box.top, 0) :, max(box.left, 0) :][: box.height, : box.width]) for box in faces]
        return [self._network.classes[self._network.probabilities(crop[None], 1)[0].argmax()] for crop in crops]


def main() -> None:
    """Label the pictures of a folder."""
    ray.init(address="local", num_cpus=WORKERS + 1, log_to_driver=False)
    silence()
    files = ray.data.read_binary_files(sys.argv[1], include_paths=True).select_columns(["path", "bytes"])
    actors = ray.data.ActorPoolStrategy(size=WORKERS)
    files.map_batches(Classifier, batch_size=32, num_cpus=1, compute=actors).write_parquet(sys.argv[2])


if __name__ == "__main__":
    main()
