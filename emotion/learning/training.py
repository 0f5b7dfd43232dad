"""Training: from two dataset files and the settings to the network of the best epoch.

Reads top down: `run` is the whole stage, `train` one training run, and their parts follow in the order of use. A
killed run resumes after its last finished epoch. Never reads the test split; uses no function of a single backend.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from emotion import dataset, networks, votes
from emotion.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.files import sha256_of, write_csv
from emotion.learning import augmentation, batch_norm, batches, checkpoints, fine_tuning, parallel, schedules
from emotion.learning.callbacks import COLUMNS, Recorder
from emotion.learning.checkpoints import Checkpoint
from emotion.metadata import Metadata
from emotion.networks import architectures, keras_file, keras_setup
from emotion.params import Train

WEIGHTS: Final = Path("data/weights")
"""Where a person puts weights to start from."""

CODE: Final = (Path(__file__).parent, Path(networks.__path__[0]))
"""Folders whose modules decide the result of a run."""


ADOPTED_FACES: Final = 2048
"""Number of training faces, at least, whose statistics a pretrained base adopts."""

OPTIMIZERS: Final = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}


def run(settings: Train, inputs: tuple[Path, Path], model: Path, history: Path) -> Callable[[], None]:
    """Train on dataset files; write the model file and the history.

    Args:
        settings: the section `train`.
        inputs: the dataset files of training and validation.
        model: the `.keras` file to write.
        history: the csv to write, one row per epoch.

    Returns:
        A function that deletes the checkpoint. Without a call, the next run with the same inputs need not train again.

    Raises:
        DataError: a dataset file cannot be used, the two have different classes, or a class has no weight.
        ModelError: training failed, or the processes that train together differ.
    """
    parallel.connect(settings.distribution, settings.batch_size)
    training, validation = _load(inputs)
    if settings.votes and not training.votes.any():
        print("No training face has votes: the network learns the labels alone", file=sys.stderr)
    key = _key(settings, inputs)
    parallel.check_same_run(key)
    checkpoint = Checkpoint(key)
    network, rows = train(settings, training, validation, checkpoint)
    # The head of a pretrained network was trained with the statistics of its frozen base, so those stay. Every process
    # computes them, although only the first one writes: JAX ends a process that waits five minutes for another to end.
    if schedules.phases(settings)[-1].trainable == "all":
        batch_norm.recompute_statistics(network, batches.serving_batches(training, settings))
    if not parallel.is_main_process():
        return lambda: None
    _save(network, settings, training, inputs[0], model)
    write_csv(history, COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    return checkpoint.clear


def train(
    settings: Train, training: Dataset, validation: Dataset, checkpoint: Checkpoint
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train a network, resuming from the checkpoint if it holds a state.

    Returns:
        The network of the kept epoch in float32 (as from `architectures.build`), and one row of numbers per epoch.

    Raises:
        DataError: class weights are balanced and a class has no face.
        ModelError: the weights to start from do not fit, or the loss became NaN or infinite.
    """
    keras.config.set_dtype_policy(settings.precision)
    network = build(settings, training)
    load_start_weights(network, settings, training.classes)
    if schedules.is_pretrained(settings) and settings.transfer.weights == "faces":
        some = islice(batches.serving_batches(training, settings), -(-ADOPTED_FACES // settings.batch_size))
        batch_norm.adopt_statistics(network, some)
    network = batch_norm.fuse(network)
    model = _add_augmentation(network, settings, training.pixels.shape[1])
    recorder = Recorder(settings, network, checkpoint)
    parallel.check_same_epoch(len(recorder.history))
    for phase in schedules.phases(settings):
        if len(recorder.history) < phase.end and not recorder.stopped:
            _fit(model, settings, phase, training, validation, recorder)
    keras.config.set_dtype_policy("float32")
    parallel.leave()
    kept = build(settings, training)
    architectures.set_weights(kept, recorder.best)
    return kept, recorder.history


def _load(inputs: tuple[Path, Path]) -> tuple[Dataset, Dataset]:
    training, validation = dataset.load(inputs[0]), dataset.load(inputs[1])
    if training.classes != validation.classes:
        raise DataError(
            f"{inputs[1]}: expected the classes {', '.join(training.classes)}, received "
            f"{', '.join(validation.classes)}; run: dvc repro preprocess"
        )
    return training, validation


def _key(settings: Train, inputs: tuple[Path, Path]) -> str:
    """Name the run by everything that decides its result: settings, faces, weights to start from and code."""
    modules = [Path(dataset.__file__), Path(votes.__file__)]
    code = [path for folder in CODE for path in sorted(folder.glob("*.py"))] + modules
    weights = sorted(path for path in WEIGHTS.glob("*") if path.is_file())
    return checkpoints.key(settings.model_dump(), [*inputs, *weights], code)


def build(settings: Train, data: Dataset) -> keras.Model:
    """Build the network that the settings name for the classes of the data, under the current dtype policy."""
    # `start_from` replaces all weights, and the project's own networks have no pretrained ones.
    weights = _find_weights(settings.transfer.weights) if schedules.is_pretrained(settings) else "none"
    size = settings.augmentation.crop or data.pixels.shape[1]
    transfer = architectures.Transfer(weights, settings.transfer.image_size)
    return architectures.build(settings.architecture, size, len(data.classes), transfer)


def _find_weights(name: str) -> str:
    if name in {"imagenet", "faces", "none"}:
        return name
    if not (WEIGHTS / name).is_file():
        raise ModelError(
            f"train.transfer.weights: there is no file {WEIGHTS / name}; "
            "put it there, or choose faces, imagenet or none"
        )
    return str(WEIGHTS / name)


def load_start_weights(network: keras.Model, settings: Train, classes: tuple[str, ...]) -> None:
    """Load the weights of the file `train.start_from`; those of the last layer only if the classes are the same.

    Raises:
        ModelError: the file is missing, or its layers are not those of this network.
    """
    if not settings.start_from:
        return
    hint = f"put a .keras or .h5 file of this project into {WEIGHTS}/ or set train.start_from to ''"
    model, facts = keras_file.load(WEIGHTS / settings.start_from, hint)
    stored = facts.parameters["train"]
    source = model.get_layer(stored["architecture"])
    if source.name != network.name or _shapes(source) != _shapes(network):
        raise ModelError(
            f"train.start_from: {settings.start_from} holds {stored['architecture']} with crop "
            f"{stored['augmentation']['crop']}, which does not fit {settings.architecture} with crop "
            f"{settings.augmentation.crop}; set train.architecture and train.augmentation.crop to those of the file"
        )
    for old, new in zip(source.layers[:-1], network.layers[:-1], strict=True):
        new.set_weights(old.get_weights())
    if facts.classes == classes:
        network.layers[-1].set_weights(source.layers[-1].get_weights())
    architectures.set_weights(network, network.get_weights())


def _shapes(network: keras.Model) -> list[list[tuple[int, ...]]]:
    """Return the shapes of the weights of each layer but the last one, whose shape depends on the classes."""
    return [[tuple(weight.shape) for weight in layer.weights] for layer in network.layers[:-1]]


def _add_augmentation(network: keras.Model, settings: Train, face_size: int) -> keras.Model:
    faces = keras.Input((face_size, face_size), dtype="uint8", name="faces")
    return keras.Model(faces, network(augmentation.Augmentation(settings.augmentation, settings.seed)(faces)))


def _fit(
    model: keras.Model,
    settings: Train,
    phase: schedules.Phase,
    training: Dataset,
    validation: Dataset,
    recorder: Recorder,
) -> None:
    """Train for those epochs of a phase that are still to come."""
    faces = batches.Batches(training, settings, epoch=max(phase.start, len(recorder.history)))
    _freeze_layers(recorder.network, settings, phase)
    optimizer = _optimizer(recorder.network, settings, phase, steps=len(faces))
    _compile(model, settings, optimizer)
    recorder.begin(model, phase)
    model.fit(
        faces,
        initial_epoch=faces.epoch,
        epochs=phase.end,
        class_weight=class_weights(settings, training),
        callbacks=[recorder, *([keras.callbacks.SwapEMAWeights()] if settings.ema else [])],
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
        validation_data=_validation_batches(settings, validation),
    )


def _freeze_layers(network: keras.Model, settings: Train, phase: schedules.Phase) -> None:
    if not schedules.is_pretrained(settings):
        return
    base = network.get_layer(architectures.BASE)
    base.trainable = phase.trainable != "head"
    if phase.trainable == "top":
        for layer in base.layers[: -settings.transfer.unfreeze_layers]:
            layer.trainable = False


def _compile(model: keras.Model, settings: Train, optimizer: keras.optimizers.Optimizer) -> None:
    """Choose loss and metrics."""
    # Only a weighted metric leaves out the repeated faces of `SharedValidation`, whose weight is 0.
    metrics = "weighted_metrics" if parallel.is_distributed() else "metrics"
    model.compile(
        optimizer=optimizer,
        loss=_loss(settings),
        # JAX always compiles with XLA; TensorFlow's own kernels are faster on a CPU, and repeatable.
        jit_compile=bool(keras.backend.backend() == "jax"),
        **{metrics: ["accuracy"]},
    )


def _optimizer(network: keras.Model, settings: Train, phase: schedules.Phase, steps: int) -> keras.optimizers.Optimizer:
    """Build the optimizer for a phase with this many steps per epoch."""
    # The average spans at most a twentieth of the phase: in a short run, it would still contain the initial weights.
    momentum = min(settings.ema, 1 - 20 / max(20, steps * (phase.end - phase.start)))
    common: dict[str, Any] = {
        "learning_rate": schedules.learning_rate(settings, phase, steps),
        "weight_decay": settings.weight_decay,
        "use_ema": bool(settings.ema),
        "ema_momentum": momentum,
    }
    if settings.optimizer == "sgd":
        common |= {"momentum": 0.9, "nesterov": True}
    kind = OPTIMIZERS[settings.optimizer]
    if schedules.is_pretrained(settings):
        kind = fine_tuning.optimizer_class(kind, network, settings.transfer)
    optimizer = kind(**common)
    if settings.weight_decay:
        # Weight decay regularises kernels; on biases and batch normalisation it only harms (arXiv:1812.01187).
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _loss(settings: Train) -> keras.losses.Loss:
    if settings.loss == "sparse_categorical_crossentropy":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smoothing = settings.label_smoothing
    if settings.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=2.0, from_logits=True, label_smoothing=smoothing
        )
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)


def class_weights(settings: Train, data: Dataset) -> dict[int, float] | None:
    """Return the weight of each class in the loss, or None if all faces count the same.

    Raises:
        DataError: the weights are balanced and a class has no face.
    """
    if settings.class_weights == "none":
        return None
    # Imported here because scikit-learn takes a second to load and few runs use it.
    from sklearn.utils.class_weight import compute_class_weight

    taught = batches.most_taught(data, settings)
    indices = np.arange(len(data.classes))
    if missing := [data.classes[index] for index in np.setdiff1d(indices, taught)]:
        advice = (
            f"with train.votes {settings.votes:g}, each face counts for the class with the largest share of its "
            "target: set train.class_weights to none or lower train.votes"
        )
        raise DataError(
            "train.class_weights: balanced weights need training faces of every class, and there are none of "
            f"{', '.join(missing)}; {advice if settings.votes else 'add faces or set it to none'}"
        )
    weights = compute_class_weight("balanced", classes=indices, y=taught)
    return {int(index): float(weight) for index, weight in zip(indices, weights, strict=True)}


def _validation_batches(settings: Train, data: Dataset) -> keras.utils.PyDataset:
    """Return the validation faces as batches, which several devices share."""
    kind = batches.SharedValidation if parallel.is_distributed() else batches.Validation
    return kind(data, settings)


def _save(network: keras.Model, settings: Train, training: Dataset, faces: Path, model: Path) -> None:
    """Write the network as users call it, with its metadata."""
    facts = Metadata(
        classes=training.classes,
        face_size=training.pixels.shape[1],
        temperature=1.0,
        data_sha256=sha256_of(faces),
        backend=settings.backend,
        device=keras_setup.device(),
        parameters={"train": settings.model_dump()},
    )
    keras_file.save(architectures.wrap_for_serving(network, facts.face_size, facts.temperature), facts, model)
