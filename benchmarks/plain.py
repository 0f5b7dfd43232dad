"""The command `python -m benchmarks.plain SOURCE TARGET`: the plain loop with which `emotion video` is compared.

It is the loop of most tutorials: the Haar cascade on every whole frame, and one call of the network per face.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from emotion.images import to_face
from emotion.inference.network import Network


def main() -> None:
    """Read a video, draw a box and a label on each face, and write the new video."""
    capture, network = cv2.VideoCapture(sys.argv[1]), Network()
    cascade = cv2.CascadeClassifier(str(Path(cv2.__path__[0]) / "data/haarcascade_frontalface_default.xml"))
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    code, rate = cv2.VideoWriter.fourcc(*"mp4v"), capture.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(sys.argv[2], code, rate, size)
    while (read := capture.read())[0]:
        frame = read[1]
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        for left, top, width, height in cascade.detectMultiScale(grey, 1.1, 5):
            face = to_face(grey[top : top + height, left : left + width])
            label = network.classes[network.probabilities(face[None], 1)[0].argmax()]
            cv2.rectangle(frame, (left, top), (left + width, top + height), (0, 255, 0), 2)
            cv2.putText(frame, label, (left, top - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 255, 0), 2)
        writer.write(frame)
    writer.release()


if __name__ == "__main__":
    main()
