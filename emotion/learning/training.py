"""Training: from two datasets and the settings to the network of the best epoch, resumable after any kill.

Knows nothing of the test split. Free of any one backend's own functions.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from emotion import dataset, networks
from emotion.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.files import sha256_of, write_csv
from emotion.learning import augmentation, batch_norm, batches, checkpoints, parallel, schedules
from emotion.learning.callbacks import COLUMNS, Recorder
from emotion.learning.checkpoints import Checkpoint
from emotion.metadata import Metadata
from emotion.networks import architectures, keras_file, keras_setup
from emotion.params import Train

WEIGHTS: Final = Path("data/weights")
"""Where a person puts weights to start from."""

CODE: Final = (Path(__file__).parent, Path(networks.__path__[0]))
"""Folders whose modules decide the result of a run."""


def run(settings: Train, inputs: tuple[Path, Path], model: Path, history: Path) -> None:
    """Train on dataset files and write the model file and the history; afterwards nothing is left to resume from.

    Args:
        settings: the section `train`.
        inputs: training and validation dataset files.
        model: the `.keras` file to write.
        history: the csv to write, one row an epoch.

    Raises:
        DataError: a dataset file is not as `dataset.load` expects, or the two have different classes.
        ModelError: as `train`.
    """
    parallel.connect(settings.distribution, settings.batch_size)
    training, validation = (dataset.load(path) for path in inputs)
    if training.classes != validation.classes:
        raise DataError(
            f"{inputs[1]}: expected the classes {', '.join(training.classes)}, received "
            f"{', '.join(validation.classes)}; run: dvc repro preprocess"
        )
    key = _key(settings, inputs)
    parallel.check_same_run(key)
    checkpoint = Checkpoint(key)
    network, rows = train(settings, training, validation, checkpoint)
    # A base that was frozen keeps the statistics with which its head learned. Every process settles, though one writes:
    # JAX ends a process when another has waited for its end for five minutes.
    if schedules.phases(settings)[-1].learning == "all":
        batch_norm.recompute_statistics(network, batches.serving_batches(training, settings))
    if not parallel.is_main_process():
        return
    facts = Metadata(
        classes=training.classes,
        face_size=training.pixels.shape[1],
        temperature=1.0,
        data_sha256=sha256_of(inputs[0]),
        backend=settings.backend,
        device=keras_setup.device(),
        parameters={"train": settings.model_dump()},
    )
    keras_file.save(architectures.wrap_for_serving(network, facts.face_size, facts.temperature), facts, model)
    write_csv(history, COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    checkpoint.clear()


def train(
    settings: Train, training: Dataset, validation: Dataset, checkpoint: Checkpoint
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train a network, going on from the checkpoint where there is one.

    Returns:
        The network of the kept epoch in float32 (as `architectures.build`), and one row of numbers an epoch.

    Raises:
        ModelError: weights to start from do not fit, or the loss became NaN.
    """
    keras.config.set_dtype_policy(settings.precision)
    network = build(settings, training)
    load_start_weights(network, settings, training.classes)
    network = batch_norm.fuse(network)
    model = _with_augmentation(network, settings, training.pixels.shape[1])
    recorder = Recorder(settings, network, checkpoint)
    parallel.check_same_epoch(len(recorder.history))
    for phase in schedules.phases(settings):
        _fit(model, settings, phase, training, validation, recorder)
    keras.config.set_dtype_policy("float32")
    parallel.leave()
    kept = build(settings, training)
    architectures.set_weights(kept, recorder.best)
    return kept, recorder.history


def build(settings: Train, data: Dataset) -> keras.Model:
    """Build the network that the settings name for these classes, under the dtype policy in force."""
    # `start_from` replaces all weights, and the other networks have none to fetch.
    fetched = settings.architecture in architectures.APPLICATIONS and not settings.start_from
    weights = _weights(settings.transfer.weights) if fetched else "none"
    size = settings.augmentation.crop or data.pixels.shape[1]
    transfer = architectures.Transfer(weights, settings.transfer.image_size)
    return architectures.build(settings.architecture, size, len(data.classes), transfer)


def load_start_weights(network: keras.Model, settings: Train, classes: tuple[str, ...]) -> None:
    """Take the weights of `train.start_from`, the last layer's only where it stands for the same classes.

    Raises:
        ModelError: the file is missing, or its layers are not those of this network.
    """
    if not settings.start_from:
        return
    hint = f"put a .keras or .h5 of this project into {WEIGHTS}/ or set train.start_from to ''"
    model, facts = keras_file.load(WEIGHTS / settings.start_from, hint)
    source = model.layers[-3] if facts.parameters["train"]["architecture"] == settings.architecture else None
    fits = source is not None and [_shapes(a) for a in source.layers[:-1]] == [_shapes(b) for b in network.layers[:-1]]
    if source is None or not fits:
        raise ModelError(
            f"train.start_from: expected weights of {settings.architecture} at this crop, received "
            f"{settings.start_from} of {facts.parameters['train']['architecture']}; "
            "set train.architecture and train.augmentation.crop to its own"
        )
    for old, new in zip(source.layers[:-1], network.layers[:-1], strict=True):
        new.set_weights(old.get_weights())
    if facts.classes == classes:
        network.layers[-1].set_weights(source.layers[-1].get_weights())
    architectures.set_weights(network, network.get_weights())


def class_weights(settings: Train, data: Dataset) -> dict[int, float] | None:
    """Return the weight of each class in the loss, or None; `balanced` is n / (classes * faces of the class)."""
    if settings.class_weights == "none":
        return None
    counts = np.bincount(data.labels, minlength=len(data.classes))
    return {index: len(data) / (len(counts) * int(count)) for index, count in enumerate(counts)}


def _key(settings: Train, inputs: tuple[Path, Path]) -> str:
    """Name the run by all that decides its result: settings, data, weights to start from, code."""
    code = [path for folder in CODE for path in sorted(folder.glob("*.py"))] + [Path(dataset.__file__)]
    weights = sorted(path for path in WEIGHTS.glob("*") if path.is_file())
    return checkpoints.key(settings.model_dump(), [*inputs, *weights], code)


def _weights(name: str) -> str:
    if name in {"imagenet", "none"}:
        return name
    if not (WEIGHTS / name).is_file():
        raise ModelError(f"train.transfer.weights: expected imagenet, none or a file in {WEIGHTS}/, received {name}")
    return str(WEIGHTS / name)


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _with_augmentation(network: keras.Model, settings: Train, face_size: int) -> keras.Model:
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
    """Run the epochs of a phase that are not done yet."""
    if len(recorder.history) >= phase.end or recorder.stopped:
        return
    _choose_learning_layers(recorder.network, settings, phase)
    faces = batches.Batches(training, settings, epoch=max(phase.start, len(recorder.history)))
    judged: Any = (validation.pixels, batches.encode(validation, settings))
    if parallel.is_distributed():
        judged = batches.SharedValidation(validation, settings)
    model.compile(
        optimizer=_optimizer(settings, phase, len(faces)),
        loss=_loss(settings),
        **{"weighted_metrics" if parallel.is_distributed() else "metrics": ["accuracy"]},
        jit_compile=_compile(),
    )
    recorder.begin(model, phase)
    model.fit(
        faces,
        validation_data=judged,
        validation_batch_size=None if parallel.is_distributed() else settings.batch_size,
        initial_epoch=faces.epoch,
        epochs=phase.end,
        class_weight=class_weights(settings, training),
        callbacks=[recorder, *([keras.callbacks.SwapEMAWeights()] if settings.ema else [])],
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
    )


def _compile() -> bool:
    """Tell whether to compile with XLA: JAX always does; TensorFlow's own CPU kernels are faster and repeatable."""
    return bool(keras.backend.backend() == "jax")


def _choose_learning_layers(network: keras.Model, settings: Train, phase: schedules.Phase) -> None:
    if phase.learning == "all":
        return
    base = network.get_layer(architectures.BASE)
    base.trainable = phase.learning == "top"
    if phase.learning == "top" and settings.transfer.unfreeze_layers:
        for layer in base.layers[: -settings.transfer.unfreeze_layers]:
            layer.trainable = False


def _optimizer(settings: Train, phase: schedules.Phase, steps: int) -> keras.optimizers.Optimizer:
    # An average longer than a twentieth of a short run would still hold the weights that it began with.
    momentum = min(settings.ema, 1 - 20 / max(20, steps * (phase.end - phase.start)))
    common: dict[str, Any] = {
        "learning_rate": schedules.learning_rate(settings, phase, steps),
        "weight_decay": settings.weight_decay,
        "use_ema": bool(settings.ema),
        "ema_momentum": momentum,
    }
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **common)
    else:
        optimizer = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[settings.optimizer](**common)
    if settings.weight_decay:
        # Decay shrinks directions of kernels; on biases and normalisation it only harms (arXiv:1812.01187).
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
