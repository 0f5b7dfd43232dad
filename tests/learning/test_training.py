from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from shutil import ignore_patterns
from types import SimpleNamespace
from typing import Any, NoReturn

import keras
import numpy as np
import pytest
from keras import layers
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from small_networks import CLASSES, drawn, facts_of, one_line, settings

from emotion import dataset, export
from emotion.dataset import Dataset
from emotion.errors import DataError, ModelError
from emotion.labels import NAMES
from emotion.learning import batch_norm, batches, callbacks, training
from emotion.learning.callbacks import Recorder
from emotion.learning.checkpoints import Checkpoint, State
from emotion.learning.schedules import Phase
from emotion.networks import architectures, keras_file
from emotion.networks.architectures import BASE
from emotion.params import Train

FACES, OTHERS = drawn(seed=1), drawn(seed=2)
Weights = list[NDArray[Any]]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work below the test's own folder, and leave float32 behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/weights").mkdir(parents=True)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """The weights that were validated, epoch by epoch."""
    seen: list[Weights] = []
    original = Recorder.on_test_end

    def note(self: Recorder, logs: dict[str, float] | None = None) -> None:
        original(self, logs)
        seen.append(self.network.get_weights())

    monkeypatch.setattr(Recorder, "on_test_end", note)
    return seen


def learn(
    validation: Dataset = OTHERS, checkpoint: Checkpoint | None = None, **changes: Any
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train on the drawn faces from one seed, as a process of its own would."""
    keras.utils.set_random_seed(0)
    return training.train(settings(**changes), FACES, validation, checkpoint or Checkpoint("run"))


def equal(first: Weights, second: Weights) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# Every two of an optimizer, a schedule and a loss meet once; precision, averaging and class weights take turns.
MEETINGS = [
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


@pytest.mark.parametrize(("optimizer", "schedule", "loss", "more"), MEETINGS, ids=lambda value: str(value)[:8])
def test_every_optimizer_schedule_and_loss_learns(
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


class Fitting(Exception):  # noqa: N818
    """Carries what would have been fitted."""

    def __init__(self, model: keras.Model, options: dict[str, Any]) -> None:
        super().__init__("fit")
        self.model, self.options = model, options


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fitting]:
    """Stop before the first step and look at what is about to happen."""

    def stop(model: keras.Model, *_: Any, **options: Any) -> NoReturn:
        raise Fitting(model, options)

    def compile_only(**changes: Any) -> Fitting:
        with pytest.raises(Fitting) as caught:
            learn(**changes)
        return caught.value

    monkeypatch.setattr(keras.Model, "fit", stop)
    return compile_only


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimizer_is_the_one_that_the_settings_name(compiled: Callable[..., Fitting], name: str, kind: str) -> None:
    optimizer = compiled(optimizer=name, learning_rate=0.25, weight_decay=0.125).model.optimizer
    assert type(optimizer).__name__ == kind
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.weight_decay == 0.125
    if name == "sgd":
        assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


def test_weight_decay_spares_biases_and_normalisation(compiled: Callable[..., Fitting]) -> None:
    model = compiled(architecture="batchnorm_cnn", weight_decay=0.1).model
    kinds = {variable.name: model.optimizer._use_weight_decay(variable) for variable in model.trainable_variables}
    assert kinds == {"kernel": True, "bias": False, "gamma": False, "beta": False}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_and_average_of_0_are_off(compiled: Callable[..., Fitting], name: str) -> None:
    fitting = compiled(optimizer=name)
    assert not fitting.model.optimizer.weight_decay
    assert not fitting.model.optimizer.use_ema
    assert [type(callback) for callback in fitting.options["callbacks"]] == [Recorder]


def test_cosine_rises_over_the_warmup_and_falls_to_0(compiled: Callable[..., Fitting]) -> None:
    rate = compiled(schedule="cosine", warmup_epochs=2.0, epochs=10).model.optimizer._learning_rate
    rates = [float(rate(step)) for step in range(21)]
    np.testing.assert_allclose(rates[:5], [0, 0.00025, 0.0005, 0.00075, 0.001], atol=1e-9)
    expected = [0.0005 * (1 + np.cos(np.pi * step / 16)) for step in range(17)]
    np.testing.assert_allclose(rates[4:], expected, atol=1e-9)


def test_cosine_without_warmup_begins_at_the_peak(compiled: Callable[..., Fitting]) -> None:
    rate = compiled(schedule="cosine", epochs=10).model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 10, 20)] == pytest.approx([0.001, 0.0005, 0], abs=1e-9)


def test_loss_spreads_its_share_of_the_probability(compiled: Callable[..., Fitting]) -> None:
    truth, logits = np.eye(3, dtype=np.float32)[:1], np.array([[2.0, 0.0, -1.0]], np.float32)
    shares = np.log(np.exp(logits) / np.exp(logits).sum())[0]
    plain, smoothed = (compiled(label_smoothing=share).model.loss for share in (0.0, 0.3))
    assert float(plain(truth, logits)) == pytest.approx(-shares[0], rel=1e-5)
    assert float(smoothed(truth, logits)) == pytest.approx(-(shares * [0.8, 0.1, 0.1]).sum(), rel=1e-5)
    sparse = compiled(loss="sparse_categorical_crossentropy").model.loss
    assert float(sparse(np.array([0], np.int8), logits)) == pytest.approx(-shares[0], rel=1e-5)


def test_focal_loss_turns_away_from_what_is_easy(compiled: Callable[..., Fitting]) -> None:
    loss = compiled(loss="focal").model.loss
    truth, logits = np.eye(3, dtype=np.float32)[:1], np.array([[2.0, 0.0, -1.0]], np.float32)
    share = float((np.exp(logits) / np.exp(logits).sum())[0, 0])
    assert float(loss(truth, logits)) == pytest.approx(-((1 - share) ** 2) * np.log(share), rel=1e-5)


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_class_weights_reach_the_loss(compiled: Callable[..., Fitting], kind: str) -> None:
    expected = training.class_weights(settings(class_weights=kind), FACES)
    assert compiled(class_weights=kind).options["class_weight"] == expected
    assert (expected is None) == (kind == "none")


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    labels = np.repeat(np.arange(7, dtype=np.int8), [3995, 436, 4097, 7215, 4965, 4830, 3171])
    data = Dataset(np.zeros((len(labels), 1, 1), np.uint8), labels, NAMES, labels.astype(str), labels < 0)
    found = training.class_weights(settings(class_weights="balanced"), data)
    assert found is not None
    expected = compute_class_weight("balanced", classes=np.arange(7), y=labels)
    np.testing.assert_allclose([found[index] for index in range(7)], expected)


def test_validation_faces_are_neither_augmented_nor_shuffled(compiled: Callable[..., Fitting]) -> None:
    fitting = compiled(augmentation={"flip": 1.0, "brightness": 0.5, "erasing": 1.0})
    pixels, targets = fitting.options["validation_data"]
    np.testing.assert_array_equal(pixels, OTHERS.pixels)
    np.testing.assert_array_equal(targets.argmax(axis=1), OTHERS.labels)
    network = fitting.model.layers[-1]
    served = architectures.wrap_for_serving(network, 48, temperature=1.0)
    seen = keras.ops.softmax(fitting.model(pixels, training=False))
    np.testing.assert_allclose(seen, served(pixels), atol=1e-6)


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


def test_average_of_a_short_run_forgets_its_beginning(compiled: Callable[..., Fitting]) -> None:
    momenta = [compiled(ema=0.9, epochs=epochs).model.optimizer.ema_momentum for epochs in (5, 20, 1000)]
    assert momenta == [0, 0.5, 0.9]


def contradicting(data: Dataset) -> Dataset:
    """Faces that were learned, under other labels: the better they are learned, the worse the accuracy."""
    return replace(data, labels=((data.labels + 1) % len(data.classes)).astype(np.int8))


def test_best_epoch_is_kept_and_training_ends_when_it_is_long_past(validated: list[Weights]) -> None:
    network, history = learn(contradicting(FACES), keep="best", epochs=60, learning_rate=0.003, early_stopping=3)
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


class Killed(Exception):  # noqa: N818
    """Stands for the end of the process."""


class Mortal(Checkpoint):
    """A checkpoint whose process dies once it has stored this many epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__(f"killed after {epochs}")
        self.epochs = epochs

    def save(self, state: State) -> None:
        super().save(state)
        if len(state.history) == self.epochs:
            raise Killed


# Batches of one face give the average steps enough to differ from the last weights.
DEMANDING: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 1,
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "weight_decay": 0.1,
    "precision": "mixed_float16",
    "ema": 0.5,
    "keep": "best",
    "augmentation": {"flip": 0.5, "rotation": 10.0, "erasing": 0.5, "mixup": 0.2},
}


def test_killed_run_goes_on_to_the_same_weights_and_history(capfd: pytest.CaptureFixture[str]) -> None:
    expected = learn(checkpoint=Checkpoint("uninterrupted"), **DEMANDING)
    with pytest.raises(Killed):
        learn(checkpoint=Mortal(1), **DEMANDING)
    # The second time all epochs are done, as after a kill while the model file was being written.
    for _ in range(2):
        network, history = learn(checkpoint=Checkpoint("killed after 1"), **DEMANDING)
        assert history == expected[1]
        assert equal(network.get_weights(), expected[0].get_weights())
    assert capfd.readouterr().out.count("resuming after epoch 1\n") == 1


def small_base(include_top: bool, weights: str | None, input_shape: tuple[int, ...], name: str) -> keras.Model:
    """Stand in for MobileNetV2, which takes half a minute: five layers, taken from a file where one is named."""
    assert not include_top
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, strides=2, name="first")(inputs)
    x = layers.BatchNormalization(name="normalisation")(x)
    x = layers.Conv2D(4, 3, strides=2, name="middle")(x)
    model = keras.Model(inputs, layers.Conv2D(4, 3, strides=2, name="last")(x), name=name)
    if weights:
        model.load_weights(weights)
    return model


@pytest.fixture
def pretrained(monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """The stand-in, with weights in `data/weights/small.weights.h5`."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_base)
    base = small_base(False, None, (32, 32, 3), "elsewhere")
    base.set_weights([np.full_like(weight, 0.05) for weight in base.get_weights()])
    base.save_weights(training.WEIGHTS / "small.weights.h5")
    return base


TRANSFER: dict[str, Any] = {
    "architecture": "mobilenetv2",
    "epochs": 3,
    "batch_size": 1,
    "ema": 0.5,
    "transfer": {"weights": "small.weights.h5", "freeze_epochs": 2, "unfreeze_layers": 1, "learning_rate": 0.0002},
}


def parts(network: Weights, base: keras.Model) -> dict[str, Weights]:
    """Divide the weights of a network by the layers of its base, and its head."""
    rest, found = list(network), {}
    for layer in base.layers:
        if layer.weights:
            found[layer.name] = [rest.pop(0) for _ in layer.weights]
    return {**found, "head": rest}


def test_head_learns_first_and_then_the_end_of_the_base(pretrained: keras.Model, validated: list[Weights]) -> None:
    _, history = learn(**TRANSFER)
    assert [row["learning_rate"] for row in history] == [0.001, 0.001, 0.0002]
    before = parts([*pretrained.get_weights(), np.zeros(0)], pretrained)
    first, second, third = (parts(weights, pretrained) for weights in validated)
    for name in ("first", "normalisation", "middle", "last"):
        assert equal(first[name], before[name])
        assert equal(second[name], before[name])
        assert equal(third[name], before[name]) == (name != "last")
    assert not equal(first["head"], second["head"])
    assert not equal(second["head"], third["head"])


def test_whole_base_learns_when_0_layers_are_named(pretrained: keras.Model, validated: list[Weights]) -> None:
    transfer = {**TRANSFER["transfer"], "freeze_epochs": 0, "unfreeze_layers": 0}
    learn(**{**TRANSFER, "epochs": 1, "transfer": transfer})
    before, after = (parts(weights, pretrained) for weights in ([*pretrained.get_weights()], validated[0]))
    assert not any(equal(after[name], before[name]) for name in before if name != "head")


def test_network_without_pretrained_weights_learns_whole_from_the_start(
    pretrained: keras.Model, validated: list[Weights]
) -> None:
    _, history = learn(**{**TRANSFER, "epochs": 1, "transfer": {**TRANSFER["transfer"], "weights": "none"}})
    assert history[0]["learning_rate"] == 0.001
    keras.utils.set_random_seed(0)
    without = {**TRANSFER["transfer"], "weights": "none"}
    untrained = training.build(settings(**{**TRANSFER, "transfer": without}), FACES)
    before, after = (parts(weights, pretrained) for weights in (untrained.get_weights(), validated[0]))
    assert not any(equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("epochs", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("pretrained")
def test_run_killed_at_the_border_of_its_phases_or_behind_it_goes_on_to_the_same_weights(epochs: int) -> None:
    demanding = {**TRANSFER, "epochs": epochs + 1, "augmentation": {"flip": 0.5}, "schedule": "cosine"}
    expected = learn(checkpoint=Checkpoint("uninterrupted"), **demanding)
    with pytest.raises(Killed):
        learn(checkpoint=Mortal(epochs), **demanding)
    network, history = learn(checkpoint=Checkpoint(f"killed after {epochs}"), **demanding)
    assert history == expected[1]
    assert equal(network.get_weights(), expected[0].get_weights())


def test_weights_are_taken_from_a_file_in_data_weights() -> None:
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.save_weights(training.WEIGHTS / "mine.weights.h5")
    network = training.build(settings(architecture="mobilenetv2", transfer={"weights": "mine.weights.h5"}), FACES)
    assert equal(network.get_layer(BASE).get_weights(), base.get_weights())


def test_weights_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match=r"expected imagenet, none or a file in data/weights/, received none\.h5"):
        training.build(settings(architecture="vgg16", transfer={"weights": "none.h5"}), FACES)


def put(name: str, classes: tuple[str, ...] = CLASSES, **changes: Any) -> keras.Model:
    """Write a network with weights of its own as a file of this project into data/weights/ and return it."""
    changed = settings(**changes)
    keras.utils.set_random_seed(9)
    network = training.build(changed, replace(FACES, classes=classes))
    served, path = architectures.wrap_for_serving(network, 48, temperature=1.0), training.WEIGHTS / name
    if path.suffix == ".h5":
        export.FORMATS["h5"][0](served, facts_of(changed, classes), path)
    else:
        keras_file.save(served, facts_of(changed, classes), path)
    return network


def started(**changes: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    changed = settings(**changes)
    keras.config.set_dtype_policy(changed.precision)
    network = training.build(changed, FACES)
    training.load_start_weights(network, changed, FACES.classes)
    return network


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_own_network_goes_on_with_all_its_weights(name: str, precision: str) -> None:
    mine = put(name)
    assert equal(started(start_from=name, precision=precision).get_weights(), mine.get_weights())


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
@pytest.mark.parametrize("classes", [NAMES, CLASSES[::-1]], ids=["more", "another order"])
def test_own_network_of_other_classes_goes_on_with_a_new_last_layer(name: str, classes: tuple[str, ...]) -> None:
    mine = put(name, classes).get_weights()
    fresh, going_on = started().get_weights(), started(start_from=name).get_weights()
    assert equal(going_on[:-2], mine[:-2])
    assert equal(going_on[-2:], fresh[-2:])


def test_own_network_that_pools_takes_another_crop() -> None:
    mine = put("mine.keras", architecture="resnet", augmentation={"crop": 40})
    going_on = started(architecture="resnet", augmentation={"crop": 48}, start_from="mine.keras")
    assert equal(going_on.get_weights(), mine.get_weights())


def test_own_network_asks_for_no_pretrained_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_base)
    put("mine.keras", architecture="mobilenetv2")
    started(architecture="mobilenetv2", start_from="mine.keras", transfer={"weights": "imagenet"})


@pytest.mark.usefixtures("pretrained")
def test_own_network_with_a_base_goes_on_with_all_its_weights() -> None:
    mine = put("mine.keras", architecture="mobilenetv2")
    assert equal(started(architecture="mobilenetv2", start_from="mine.keras").get_weights(), mine.get_weights())


def test_fine_tuning_begins_with_the_weights_of_the_file(compiled: Callable[..., Fitting]) -> None:
    mine = put("mine.keras").get_weights()
    assert equal(compiled(start_from="mine.keras").model.layers[-1].get_weights(), mine)


@pytest.mark.parametrize(
    "other", [{"architecture": "gap_cnn"}, {"architecture": "resnet"}, {"augmentation": {"crop": 40}}], ids=str
)
def test_network_of_another_form_is_refused(other: dict[str, Any]) -> None:
    put("mine.keras", **other)
    with pytest.raises(ModelError, match="expected weights of three_block_cnn at this crop") as caught:
        started(start_from="mine.keras")
    line = one_line(caught.value)
    assert f"received mine.keras of {other.get('architecture', 'three_block_cnn')}" in line
    assert "train.augmentation.crop" in line


def test_file_to_start_from_that_is_missing_or_not_ours_is_refused() -> None:
    with pytest.raises(ModelError, match=r"none\.keras, received .*No such file.*; put a .* into data/weights/"):
        started(start_from="none.keras")
    training.build(settings(), FACES).save(training.WEIGHTS / "foreign.keras")
    with pytest.raises(ModelError, match=r"foreign\.keras, received one without metadata; put a"):
        started(start_from="foreign.keras")


def test_loss_that_is_no_number_ends_the_run() -> None:
    with pytest.raises(ModelError, match=r"expected a finite loss, received (nan|inf) in epoch \d, step \d") as caught:
        learn(optimizer="sgd", learning_rate=1e30, epochs=2)
    assert "lower train.learning_rate or set train.precision to float32" in one_line(caught.value)
    assert not Path("build/checkpoints/run/state.npz").exists()


def test_weights_that_the_last_step_loses_end_the_run() -> None:
    with pytest.raises(ModelError, match=r"expected a finite loss, received (nan|inf) in epoch 1, validation"):
        learn(optimizer="sgd", learning_rate=1e38, batch_size=24)


def test_plateau_of_the_second_phase_begins_at_its_own_peak() -> None:
    found = recorder(schedule="plateau", learning_rate=0.8)
    for epoch in range(6):
        record(found, epoch, accuracy=0.5, loss=1.0)
    found.begin(found.model, Phase(6, 9, 0.1, "top"))
    found.on_epoch_begin(6)
    assert found.model.optimizer.learning_rate == 0.1


def recorder(checkpoint: Checkpoint | None = None, **changes: Any) -> Recorder:
    """Return a recorder beside a model that does nothing."""
    found = Recorder(
        settings(**changes),
        SimpleNamespace(get_weights=list, set_weights=lambda _: None),
        checkpoint or Checkpoint("run"),
    )
    optimizer = SimpleNamespace(learning_rate=0.0, variables=[], build=lambda _: None)
    model = SimpleNamespace(optimizer=optimizer, variables=[], trainable_variables=[], stop_training=False)
    found.set_model(model)
    found.begin(model, Phase(0, 9, changes.get("learning_rate", 0.001), "all"))
    return found


def record(found: Recorder, epoch: int, accuracy: float, loss: float) -> None:
    found.on_epoch_begin(epoch)
    found.on_test_end()
    found.on_epoch_end(epoch, {"accuracy": 0.5, "loss": 1.0, "val_accuracy": accuracy, "val_loss": loss})


def test_plateau_sets_the_learning_rate_from_the_losses_so_far() -> None:
    found = recorder(schedule="plateau", learning_rate=0.8)
    for epoch in range(6):
        record(found, epoch, accuracy=0.5, loss=1.0)
    assert [row["learning_rate"] for row in found.history] == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4]
    resumed = recorder(schedule="plateau", learning_rate=0.8)
    resumed.on_epoch_begin(6)
    assert resumed.model.optimizer.learning_rate == 0.4


def test_durations_go_into_a_log_and_not_into_the_history() -> None:
    found = recorder()
    record(found, 0, accuracy=0.5, loss=1.0)
    assert callbacks.LOG.read_text().startswith("epoch 1: ")
    assert list(found.history[0]) == list(callbacks.COLUMNS)


def test_run_that_stopped_early_stays_stopped_when_resumed() -> None:
    found = recorder(early_stopping=2)
    for epoch, accuracy in enumerate((0.5, 0.4, 0.4)):
        assert not found.stopped
        record(found, epoch, accuracy, loss=1.0)
    assert found.model.stop_training
    assert recorder(early_stopping=2).stopped


def test_head_that_has_learned_all_it_can_waits_for_the_thaw() -> None:
    pretrained: dict[str, Any] = {
        "architecture": "vgg16",
        "epochs": 6,
        "transfer": {"weights": "imagenet", "freeze_epochs": 3},
    }
    found = recorder(early_stopping=1, **pretrained)
    for epoch, accuracy in enumerate((0.5, 0.4, 0.4, 0.3, 0.2)):
        assert not found.stopped
        record(found, epoch, accuracy, loss=1.0)
    assert found.stopped


def test_dataset_files_of_different_classes_are_refused(tmp_path: Path) -> None:
    paths = tmp_path / "train.npz", tmp_path / "validation.npz"
    dataset.save(FACES, paths[0])
    dataset.save(replace(OTHERS, classes=OTHERS.classes[::-1]), paths[1])
    with pytest.raises(DataError, match=r"validation\.npz: expected the classes .*; run: dvc repro preprocess"):
        training.run(settings(), paths, tmp_path / "emotion.keras", tmp_path / "history.csv")


def test_missing_dataset_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    paths = tmp_path / "train.npz", tmp_path / "validation.npz"
    with pytest.raises(DataError, match=r"cannot read the dataset file .*train\.npz \(.*\); run: dvc repro preprocess"):
        training.run(settings(), paths, tmp_path / "emotion.keras", tmp_path / "history.csv")


class Named(Exception):  # noqa: N818
    """Carries the name under which a run keeps its state."""


@pytest.fixture
def name_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Ask `run` for that name without training."""

    def stop(_: Train, __: Dataset, ___: Dataset, checkpoint: Checkpoint) -> NoReturn:
        raise Named(checkpoint.folder.name)

    def ask(**changes: Any) -> str:
        inputs = (Path("train.npz"), Path("validation.npz"))
        with pytest.raises(Named) as caught:
            training.run(settings(**changes), inputs, Path("emotion.keras"), Path("history.csv"))
        return str(caught.value)

    monkeypatch.setattr(training, "train", stop)
    for path, faces in (("train.npz", FACES), ("validation.npz", OTHERS)):
        dataset.save(faces, Path(path))
    return ask


def test_run_goes_on_only_with_the_same_settings_data_and_weights(name_of: Callable[..., str]) -> None:
    first = name_of()
    assert name_of() == first
    names = [name_of(learning_rate=0.5), name_of(augmentation={"flip": 0.5})]
    dataset.save(replace(OTHERS, twin=~OTHERS.twin), Path("validation.npz"))
    names.append(name_of())
    (training.WEIGHTS / "mine.h5").write_bytes(b"weights")
    names.append(name_of())
    assert len({first, *names}) == 5


def test_run_goes_on_only_with_the_same_code(name_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = name_of()
    copied = [
        Path(shutil.copytree(folder, folder.name, ignore=ignore_patterns("__pycache__"))) for folder in training.CODE
    ]
    monkeypatch.setattr(training, "CODE", copied)
    assert name_of() == first
    names = {first}
    for folder in copied:
        (folder / "new.py").write_text("x = 1\n")
        names.add(name_of())
        (folder / "new.py").rename(folder / "newer.py")
        names.add(name_of())
    assert len(names) == 5


def test_written_network_remembers_the_statistics_of_faces_as_they_are_served(tmp_path: Path) -> None:
    chosen = settings(architecture="resnet", augmentation={"brightness": 0.5, "crop": 24}, batch_size=8, epochs=2)
    for faces, name in ((FACES, "train"), (OTHERS, "validation")):
        dataset.save(faces, tmp_path / f"{name}.npz")
    training.run(chosen, (Path("train.npz"), Path("validation.npz")), Path("model.keras"), Path("history.csv"))
    network = keras_file.load(Path("model.keras"))[0].get_layer("resnet")
    written = network.get_weights()
    batch_norm.recompute_statistics(network, batches.serving_batches(FACES, chosen))
    assert equal(network.get_weights(), written)
    batch_norm.recompute_statistics(network, [np.random.default_rng(0).random((8, 24, 24, 1), np.float32)])
    assert not equal(network.get_weights(), written)
