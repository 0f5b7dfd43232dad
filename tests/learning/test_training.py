from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_networks import one_line, settings
from small_training import FACES, OTHERS, Weights, equal, learn

from emotion import dataset
from emotion.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.learning import batch_norm, batches, callbacks, training
from emotion.learning.callbacks import Recorder
from emotion.learning.checkpoints import Checkpoint
from emotion.networks import keras_file

pytestmark = pytest.mark.usefixtures("own_folder", "small_network")

# Every pair of optimizer, schedule and loss occurs once; precision, averaging and class weights take turns.
COMBINATIONS = [
    ("adam", "constant", "categorical_crossentropy", {"precision": "mixed_bfloat16"}),
    ("adam", "cosine", "sparse_categorical_crossentropy", {"ema": 0.5}),
    ("adam", "plateau", "focal", {"class_weights": "balanced"}),
    ("adamw", "constant", "sparse_categorical_crossentropy", {"class_weights": "balanced", "weight_decay": 0.1}),
    ("adamw", "cosine", "focal", {"precision": "mixed_float16", "weight_decay": 0.1, "ema": 0.5}),
    ("adamw", "plateau", "categorical_crossentropy", {"label_smoothing": 0.1, "weight_decay": 0.1}),
    ("sgd", "constant", "focal", {"augmentation": {"mixup": 0.2, "flip": 0.5}, "class_weights": "balanced"}),
    ("sgd", "cosine", "categorical_crossentropy", {"precision": "mixed_float16", "weight_decay": 0.1}),
    ("sgd", "plateau", "sparse_categorical_crossentropy", {"precision": "mixed_bfloat16", "ema": 0.5}),
]


@pytest.mark.parametrize(("optimizer", "schedule", "loss", "more"), COMBINATIONS, ids=lambda value: str(value)[:8])
def test_every_optimizer_schedule_and_loss_trains(
    optimizer: str, schedule: str, loss: str, more: dict[str, Any], validated: list[Weights]
) -> None:
    network, history = learn(optimizer=optimizer, schedule=schedule, loss=loss, **more)
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert equal(network.get_weights(), validated[0])
    keras.utils.set_random_seed(0)
    untrained = training.build(settings(), FACES).get_weights()
    assert not any(np.array_equal(new, old) for new, old in zip(network.get_weights(), untrained, strict=True))
    assert list(history[0]) == list(callbacks.COLUMNS)
    assert all(np.isfinite(value) for value in history[0].values())
    assert history[0]["epoch"] == 1
    assert history[0]["learning_rate"] == pytest.approx(0 if schedule == "cosine" else 0.001, abs=1e-6)


def test_kept_weights_are_the_running_average_of_those_after_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Weights] = []
    monkeypatch.setattr(Recorder, "on_train_batch_end", lambda self, *_, **__: steps.append(self.network.get_weights()))
    network, _ = learn(ema=0.6, epochs=3, batch_size=1)
    average = steps[0]
    for step in steps[1:]:
        average = [0.6 * old + 0.4 * new for old, new in zip(average, step, strict=True)]
    assert len(steps) == 72
    for kept, expected, raw in zip(network.get_weights(), average, steps[-1], strict=True):
        np.testing.assert_allclose(kept, expected, atol=1e-6)
        assert np.abs(kept - raw).max() > 1e-5


def mislabel(data: Dataset) -> Dataset:
    """Give the training faces other labels: the better the network learns them, the lower is this accuracy."""
    return replace(data, labels=((data.labels + 1) % len(data.classes)).astype(np.int8))


def test_best_epoch_is_kept_and_training_stops_when_the_patience_runs_out(validated: list[Weights]) -> None:
    network, history = learn(mislabel(FACES), keep="best", epochs=60, learning_rate=0.003, early_stopping=3)
    accuracies = [row["val_accuracy"] for row in history]
    best = accuracies.index(max(accuracies))
    assert len(history) == best + 1 + 3 < 60
    assert equal(network.get_weights(), validated[best])
    assert not equal(network.get_weights(), validated[-1])


def test_last_epoch_is_kept_on_request(validated: list[Weights], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.learning.schedules.best_epoch", lambda _: 0)
    network, _ = learn(epochs=2, keep="last")
    assert equal(network.get_weights(), validated[1])
    assert not equal(validated[0], validated[1])


def test_training_ends_when_the_loss_is_not_finite() -> None:
    with pytest.raises(ModelError, match=r"training diverged: the loss is (nan|inf) in epoch \d, step \d") as caught:
        learn(optimizer="sgd", learning_rate=1e30, epochs=2)
    assert one_line(caught.value).endswith("; lower train.learning_rate")
    assert not Path("build/checkpoints/run/state.npz").exists()


def test_training_ends_when_the_last_step_makes_the_validation_loss_infinite() -> None:
    with pytest.raises(ModelError, match=r"training diverged: the loss is (nan|inf) in epoch 1, validation"):
        learn(optimizer="sgd", learning_rate=1e38, batch_size=24)


def test_dataset_files_of_different_classes_are_refused(tmp_path: Path) -> None:
    paths = tmp_path / "train.npz", tmp_path / "validation.npz"
    dataset.save(FACES, paths[0])
    dataset.save(replace(OTHERS, classes=OTHERS.classes[::-1]), paths[1])
    with pytest.raises(DataError, match=r"validation\.npz: expected the classes .*; run: dvc repro preprocess"):
        training.run(settings(), paths, tmp_path / "emotion.keras", tmp_path / "history.csv")


UNANIMOUS = replace(FACES, votes=np.eye(10, dtype=np.uint8)[[4, 5, 6]][FACES.labels] * 10)
"""The drawn faces, labelled angry, disgust and fear, with ten votes for each label."""


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "focal"])
def test_votes_for_the_labels_train_the_same_network_as_the_labels(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"loss": loss, "label_smoothing": 0.1, "augmentation": {"mixup": 0.2}}
    labels, _ = learn(class_weights="balanced", **more)
    monkeypatch.setattr("small_training.FACES", UNANIMOUS)
    votes, _ = learn(checkpoint=Checkpoint("votes"), class_weights="balanced", votes=1.0, **more)
    assert equal(votes.get_weights(), labels.get_weights())


def test_votes_for_other_classes_train_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, _ = learn()
    monkeypatch.setattr("small_training.FACES", replace(UNANIMOUS, votes=UNANIMOUS.votes[::-1]))
    ignored, _ = learn(checkpoint=Checkpoint("ignored"), votes=0.0)
    assert equal(ignored.get_weights(), labels.get_weights())
    votes, history = learn(checkpoint=Checkpoint("votes"), votes=0.5)
    assert not equal(votes.get_weights(), labels.get_weights())
    assert np.isfinite(history[0]["loss"])


def test_faces_without_votes_are_learned_from_their_labels_alone_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = tmp_path / "train.npz", tmp_path / "validation.npz"
    for path, faces in zip(paths, (FACES, OTHERS), strict=True):
        dataset.save(faces, path)
    weights = []
    for share in (0.0, 0.5):
        keras.utils.set_random_seed(0)
        training.run(settings(votes=share), paths, tmp_path / "model.keras", tmp_path / "history.csv")
        weights.append(keras_file.load(tmp_path / "model.keras")[0].get_weights())
    assert equal(*weights)
    assert capsys.readouterr().err.count("No training face has votes: the network learns the labels alone\n") == 1


def test_missing_dataset_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    paths = tmp_path / "train.npz", tmp_path / "validation.npz"
    with pytest.raises(DataError, match=r"cannot read the dataset file .*train\.npz \(.*\); run: dvc repro preprocess"):
        training.run(settings(), paths, tmp_path / "emotion.keras", tmp_path / "history.csv")


def test_written_network_has_the_batch_statistics_of_faces_at_inference(tmp_path: Path) -> None:
    chosen = settings(architecture="gap_cnn", augmentation={"brightness": 0.5, "crop": 24}, batch_size=8, epochs=2)
    for faces, name in ((FACES, "train"), (OTHERS, "validation")):
        dataset.save(faces, tmp_path / f"{name}.npz")
    training.run(chosen, (Path("train.npz"), Path("validation.npz")), Path("model.keras"), Path("history.csv"))
    network = keras_file.load(Path("model.keras"))[0].get_layer("gap_cnn")
    written = network.get_weights()
    batch_norm.recompute_statistics(network, batches.serving_batches(FACES, chosen))
    assert equal(network.get_weights(), written)
    batch_norm.recompute_statistics(network, [np.random.default_rng(0).random((8, 24, 24, 1), np.float32)])
    assert not equal(network.get_weights(), written)
