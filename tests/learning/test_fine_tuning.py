"""The start from faces: what is loaded, and how the base learns; the last test runs most of the others on JAX."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_networks import settings
from small_training import FACES, Compiled, Killed, KillingCheckpoint, equal, learn

from emotion.learning import batch_norm, batches, fine_tuning, training
from emotion.learning.checkpoints import Checkpoint
from emotion.networks.architectures import BASE

pytestmark = pytest.mark.usefixtures("own_folder", "dlib_weights")

START: dict[str, Any] = {
    "architecture": "face_resnet",
    "optimizer": "adamw",
    "transfer": {
        "weights": "faces",
        "image_size": 63,
        "freeze_epochs": 0,
        "learning_rate": 0.001,
    },
}
"""One epoch of two steps from the weights of the fixture `dlib_weights`."""


def train(**changes: Any) -> tuple[keras.Model, list[dict[str, float]]]:
    """Train without the checkpoint of another run."""
    return learn(checkpoint=Checkpoint(uuid.uuid4().hex), **changes)


def start(**transfer: Any) -> dict[str, Any]:
    return {**START, "transfer": {**START["transfer"], **transfer}}


def loaded(**transfer: Any) -> keras.Model:
    """Return the network with the statistics of the training faces, before the first step."""
    keras.utils.set_random_seed(0)
    chosen = settings(**start(**transfer))
    network = training.build(chosen, FACES)
    batch_norm.adopt_statistics(network, batches.serving_batches(FACES, chosen))
    return network


def kernels(network: keras.Model) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(layer.kernel) for layer in network.get_layer(BASE).layers if hasattr(layer, "kernel")]


def moves(network: keras.Model) -> list[float]:
    """Return the mean distance of each kernel of the base from its start."""
    pairs = zip(kernels(network), kernels(loaded()), strict=True)
    return [float(np.abs(after - before).mean()) for after, before in pairs]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_whole_network_learns_from_the_published_weights(precision: str) -> None:
    network, history = train(**start(), precision=precision)
    assert history[0]["learning_rate"] == pytest.approx(0.001)
    assert all(0 < move < 0.01 for move in moves(network))


def test_statistics_of_the_faces_are_taken_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(batch_norm, "adopt_statistics", lambda network, _: taken.append(network.name))
    train(**start())
    train(**start(weights="none"))
    assert taken == ["face_resnet"]


def test_head_learns_alone_while_the_base_is_frozen() -> None:
    network, _ = train(**start(freeze_epochs=1))
    assert moves(network) == [0.0] * 5
    assert not equal(network.layers[-1].get_weights(), loaded().layers[-1].get_weights())


def test_run_that_was_killed_between_the_phases_ends_with_the_same_weights() -> None:
    chosen = {**start(freeze_epochs=1, anchor=0.5, layer_decay=0.5), "epochs": 3}
    whole, _ = train(**chosen)
    for epochs in (1, 2):
        checkpoint = KillingCheckpoint(epochs)
        with pytest.raises(Killed):
            learn(**chosen, checkpoint=checkpoint)
        resumed, _ = learn(**chosen, checkpoint=Checkpoint(checkpoint.folder.name))
        assert equal(resumed.get_weights(), whole.get_weights())


def test_both_settings_at_0_leave_the_optimizer_of_keras(compiled: Any) -> None:
    run: Compiled = compiled(**start())
    assert type(run.model.optimizer) is keras.optimizers.AdamW
    assert type(compiled(**start(anchor=0.1)).model.optimizer) is not keras.optimizers.AdamW


def test_rate_falls_with_each_convolution_before_the_output() -> None:
    network = loaded()
    factors = fine_tuning.rate_factors(network, 0.5)
    by_name = dict(zip([variable.path for variable in network.trainable_variables], factors, strict=True))
    assert by_name["logits/kernel"] == by_name["logits/bias"] == 1
    for place, index in enumerate(reversed(range(5)), start=1):
        for weight in (f"convolution_{index}/kernel", f"norm_{index}/gamma", f"norm_{index}/beta"):
            assert by_name[weight] == 0.5**place


def test_layer_decay_shortens_the_steps_of_early_layers() -> None:
    plain, decayed = (moves(train(**start(layer_decay=decay))[0]) for decay in (0, 0.5))
    ratios = [after / before for after, before in zip(decayed, plain, strict=True)]
    np.testing.assert_allclose(ratios[:3], [0.5**5, 0.5**4, 0.5**3], rtol=0.3)


def test_anchor_draws_kernels_of_the_base_to_their_start_and_nothing_else() -> None:
    network = loaded()
    strengths = fine_tuning.anchor_strengths(network, 0.3)
    chosen = {v.path for v, each in zip(network.trainable_variables, strengths, strict=True) if each}
    assert chosen == {f"convolution_{index}/kernel" for index in range(5)}
    assert set(strengths) == {0.0, 0.3}


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_weight_without_gradient_returns_to_its_start(optimizer: str) -> None:
    network = loaded()
    kind = fine_tuning.optimizer_class(training.OPTIMIZERS[optimizer], network, settings(**start(anchor=0.5)).transfer)
    chosen = kind(learning_rate=0.1, weight_decay=0.0)
    variables = network.trainable_variables
    chosen.build(variables)
    before = [np.array(variable) for variable in variables]
    for variable in variables:
        variable.assign(variable + 1)
    chosen.apply([keras.ops.zeros(variable.shape) for variable in variables], variables)
    moved = [float(np.mean(np.asarray(v) - old)) for v, old in zip(variables, before, strict=True)]
    expected = [0.95 if v.name == "kernel" and v.path != "logits/kernel" else 1.0 for v in variables]
    np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_anchor_keeps_the_base_nearer_to_its_start() -> None:
    free, held = (moves(train(**start(anchor=anchor), epochs=4)[0]) for anchor in (0, 300))
    assert all(after < 0.9 * before for after, before in zip(held, free, strict=True))


def test_jax_learns_in_the_same_way() -> None:
    chosen = "float32 or shortens or without_gradient or frozen"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__]
    environment = {**os.environ, "LEARNING_TESTS_BACKEND": "jax"}
    result = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
