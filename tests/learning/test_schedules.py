from __future__ import annotations

import pytest
from small_networks import settings

from emotion.learning.schedules import Phase, best_epoch, phases, plateau, should_stop

TRANSFER = {"weights": "imagenet", "freeze_epochs": 3, "unfreeze_layers": 30, "learning_rate": 1e-4}


@pytest.mark.parametrize("name", ["three_block_cnn", "resnet"])
def test_own_networks_are_trained_as_a_whole(name: str) -> None:
    assert phases(settings(architecture=name, epochs=9, transfer=TRANSFER)) == [Phase(0, 9, 0.001, "all")]


def test_pretrained_network_trains_its_head_first_and_then_the_top_of_its_base() -> None:
    expected = [Phase(0, 3, 0.001, "head"), Phase(3, 9, 1e-4, "top")]
    assert phases(settings(architecture="vgg16", epochs=9, transfer=TRANSFER)) == expected
    own_file = {**TRANSFER, "weights": "vgg16.weights.h5"}
    assert phases(settings(architecture="vgg16", epochs=9, transfer=own_file)) == expected


def test_base_of_which_all_layers_are_unfrozen_is_trained_as_a_whole() -> None:
    unfrozen = {**TRANSFER, "unfreeze_layers": 0}
    expected = [Phase(0, 3, 0.001, "head"), Phase(3, 9, 1e-4, "all")]
    assert phases(settings(architecture="vgg16", epochs=9, transfer=unfrozen)) == expected


def test_phase_without_epochs_is_left_out() -> None:
    pretrained = {"architecture": "vgg16", "epochs": 2}
    assert phases(settings(**pretrained, transfer=TRANSFER)) == [Phase(0, 2, 0.001, "head")]
    unfrozen = {**TRANSFER, "freeze_epochs": 0}
    assert phases(settings(**pretrained, transfer=unfrozen)) == [Phase(0, 2, 1e-4, "top")]


def test_network_without_pretrained_weights_or_with_a_file_to_start_from_has_one_phase() -> None:
    whole = [Phase(0, 9, 0.001, "all")]
    assert phases(settings(architecture="vgg16", epochs=9, transfer={**TRANSFER, "weights": "none"})) == whole
    assert phases(settings(architecture="vgg16", epochs=9, transfer=TRANSFER, start_from="mine.keras")) == whole


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ([], 1.0),
        ([3, 2, 1], 1.0),
        ([1, 2, 2], 1.0),
        ([1, 2, 2, 2], 0.5),
        ([1, 1, 1, 1], 0.5),
        ([1, 2, 2, 0.5, 2, 2], 1.0),
        ([1, 2, 2, 2, 2, 2], 0.5),
        ([1, 2, 2, 2, 2, 2, 2], 0.25),
        ([1, 2, 2, 2, 0.5, 2, 2, 2], 0.25),
    ],
)
def test_plateau_halves_after_every_three_epochs_without_a_better_loss(losses: list[float], rate: float) -> None:
    assert plateau(losses, peak=1.0) == rate


def test_best_epoch_is_the_first_one_with_the_highest_accuracy() -> None:
    assert best_epoch([0.1, 0.5, 0.3, 0.5]) == 1
    assert best_epoch([0.2]) == 0


@pytest.mark.parametrize(
    ("accuracies", "patience", "stop"),
    [
        ([], 1, False),
        ([0.5, 0.4, 0.4, 0.4], 0, False),
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.4], 2, False),
        ([0.5, 0.4, 0.4], 2, True),
        ([0.5, 0.4, 0.6, 0.5], 2, False),
    ],
)
def test_early_stopping_waits_its_patience_after_the_best_epoch(
    accuracies: list[float], patience: int, stop: bool
) -> None:
    assert should_stop(accuracies, patience) is stop
