from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from small_networks import CLASSES, drawn, settings

from emotion.dataset import Dataset
from emotion.learning import parallel
from emotion.learning.batches import Batches, SharedValidation, Validation, encode, most_taught, serving_batches

FACES = drawn()


def batches(epoch: int = 0, **changes: Any) -> Batches:
    return Batches(FACES, settings(**changes), epoch)


def served(source: Batches) -> Any:
    """Return all faces of an epoch in their order."""
    return np.concatenate([source[index][0] for index in range(len(source))])


def test_labels_are_one_hot_in_class_order() -> None:
    targets = encode(FACES, settings())
    assert targets.dtype == np.float32
    assert targets.shape == (24, 3)
    np.testing.assert_array_equal(targets.argmax(axis=1), FACES.labels)
    np.testing.assert_array_equal(targets.sum(axis=1), 1)


def test_labels_for_the_sparse_loss_stay_indices() -> None:
    np.testing.assert_array_equal(encode(FACES, settings(loss="sparse_categorical_crossentropy")), FACES.labels)


def test_classes_without_a_face_have_a_column_too() -> None:
    assert encode(replace(FACES, classes=(*CLASSES, "sad")), settings()).shape == (24, 4)


def voted(*votes: list[int]) -> Dataset:
    """Return the first faces, labelled angry, disgust and fear in turn, with votes in the order of `votes.CHOICES`."""
    number = len(votes)
    return replace(FACES, pixels=FACES.pixels[:number], labels=FACES.labels[:number], votes=np.array(votes, np.uint8))


#          neutral, happy, surprise, sad, angry, disgust, fear, contempt, unknown, no face
DIVIDED = [0, 0, 0, 0, 4, 4, 0, 0, 0, 0]
OUTLIER = [0, 0, 0, 0, 0, 3, 1, 2, 4, 0]
NOBODY = [10, 0, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "focal"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_target_is_the_label_mixed_with_the_votes_for_the_classes(loss: str, share: float) -> None:
    targets = encode(voted(DIVIDED, OUTLIER, NOBODY), settings(votes=share, loss=loss))
    assert targets.dtype == np.float32
    expected: list[list[float]] = [[1 - share / 2, share / 2, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(targets, expected, atol=1e-7)


def test_votes_change_nothing_where_their_share_is_0_or_nobody_voted() -> None:
    faces = voted(DIVIDED, OUTLIER, NOBODY)
    np.testing.assert_array_equal(encode(faces, settings(votes=0.0)), np.eye(3, dtype=np.float32))
    np.testing.assert_array_equal(encode(FACES, settings(votes=0.7)), encode(FACES, settings()))


def test_mixup_blends_targets_that_hold_votes() -> None:
    faces = voted(*[DIVIDED] * 12)
    _, targets = Batches(faces, settings(votes=1.0, augmentation={"mixup": 0.4}), 0)[0]
    np.testing.assert_allclose(targets, np.tile([[0.5, 0.5, 0]], (12, 1)), atol=1e-6)


def test_face_is_weighted_as_the_class_with_the_largest_share_of_its_target() -> None:
    faces = voted([0, 0, 0, 0, 0, 0, 9, 0, 0, 0], OUTLIER, NOBODY)
    assert most_taught(faces, settings(votes=0.4)).tolist() == [0, 1, 2]
    assert most_taught(faces, settings(votes=0.6)).tolist() == [2, 1, 2]
    assert most_taught(faces, settings(loss="sparse_categorical_crossentropy")).tolist() == [0, 1, 2]


def test_an_epoch_contains_every_face_once_with_its_label() -> None:
    source = batches()
    position = {face.tobytes(): index for index, face in enumerate(FACES.pixels)}
    found = []
    for index in range(len(source)):
        pixels, targets = source[index]
        assert pixels.dtype == np.uint8
        assert pixels.shape == (12, 48, 48)
        rows = [position[face.tobytes()] for face in pixels]
        np.testing.assert_array_equal(targets.argmax(axis=1), FACES.labels[rows])
        found += rows
    assert sorted(found) == list(range(24))


def test_batch_of_a_small_dataset_is_the_largest_that_all_devices_can_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "device_count", lambda: 5)
    pixels, _ = batches(batch_size=40)[0]
    assert len(pixels) == 20


def test_order_depends_only_on_seed_and_epoch() -> None:
    np.testing.assert_array_equal(served(batches(epoch=3)), served(batches(epoch=3, learning_rate=0.5)))
    assert (served(batches(epoch=3)) != served(batches(epoch=4))).any()
    assert (served(batches(epoch=3)) != served(batches(epoch=3, seed=1))).any()


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_next_epoch_has_the_same_batches_as_a_run_that_starts_with_it(mixup: float) -> None:
    source = batches(epoch=0, augmentation={"mixup": mixup})
    source.on_epoch_end()
    assert source.epoch == 1
    np.testing.assert_array_equal(served(source), served(batches(epoch=1, augmentation={"mixup": mixup})))


def test_faces_left_out_of_one_epoch_appear_in_others() -> None:
    source = batches(batch_size=10)
    assert len(source) == 2
    assert {len(source[index][0]) for index in range(2)} == {10}
    left_out = set()
    for _ in range(20):
        left_out |= {face.tobytes() for face in FACES.pixels} - {face.tobytes() for face in served(source)}
        source.on_epoch_end()
    assert len(left_out) == 24


def test_batch_larger_than_the_dataset_is_the_whole_dataset() -> None:
    source = batches(batch_size=1000)
    assert len(source) == 1
    assert len(source[0][0]) == 24


def test_mixup_blends_two_faces_and_their_labels_with_the_same_share() -> None:
    plain, mixed = batches(batch_size=24), batches(batch_size=24, augmentation={"mixup": 0.4})
    (faces, labels), (blended, targets) = plain[0], mixed[0]
    assert blended.dtype == np.uint8
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    previous, partner = np.roll(faces, 1, axis=0), np.roll(labels, 1, axis=0)
    blends = 0
    for index in range(24):
        if (labels[index] == partner[index]).all():
            continue
        share = float(targets[index] @ labels[index])
        np.testing.assert_allclose(targets[index], share * labels[index] + (1 - share) * partner[index], atol=1e-6)
        expected = share * faces[index].astype(float) + (1 - share) * previous[index]
        np.testing.assert_allclose(blended[index], expected, atol=0.51)
        blends += 0.01 < share < 0.99
    assert blends > 3


def test_mixup_draws_new_shares_in_every_batch_and_epoch() -> None:
    source = batches(augmentation={"mixup": 0.4})
    shares = [source[0][1].max(axis=1), source[1][1].max(axis=1)]
    source.on_epoch_end()
    shares.append(source[0][1].max(axis=1))
    assert len({tuple(np.sort(share)) for share in shares}) == 3


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_parts_of_two_processes_together_are_the_batch(mixup: float, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = batches(augmentation={"mixup": mixup})[1]
    parts = []
    for index in (0, 1):
        monkeypatch.setattr(parallel, "process_index_and_count", lambda index=index: (index, 2))
        parts.append(batches(augmentation={"mixup": mixup})[1])
    for found, expected in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_validation_has_every_face_once_in_order() -> None:
    source = Validation(FACES, settings(batch_size=10))
    pixels, targets = map(np.concatenate, zip(*map(source.__getitem__, range(len(source))), strict=True))
    np.testing.assert_array_equal(pixels, FACES.pixels)
    np.testing.assert_array_equal(targets.argmax(axis=1), FACES.labels)


@pytest.mark.parametrize("devices", [1, 2, 5])
def test_shared_validation_counts_every_face_once(devices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "device_count", lambda: devices)
    source = SharedValidation(FACES, settings(batch_size=10))
    pixels, targets, weights = (np.concatenate(parts) for parts in zip(*map(source.__getitem__, range(3)), strict=True))
    assert len(source) == 3
    assert len(pixels) % devices == 0
    np.testing.assert_array_equal(pixels[:24], FACES.pixels)
    np.testing.assert_array_equal(targets[:24].argmax(axis=1), FACES.labels)
    np.testing.assert_array_equal(weights[24:], 0)
    losses = np.arange(len(weights))
    assert (losses * weights).mean() == pytest.approx(np.arange(24).mean())


def test_faces_at_inference_are_centre_crops_in_grey_levels_each_at_most_once() -> None:
    faces = np.concatenate(
        list(serving_batches(FACES, settings(batch_size=10, augmentation={"flip": 0.5, "crop": 24})))
    )
    assert faces.shape == (20, 24, 24, 1)
    centres = FACES.pixels[:, 12:36, 12:36, None].astype(np.float32) / 255
    rows = [int(np.abs(centres - face).reshape(len(centres), -1).max(axis=1).argmin()) for face in faces]
    np.testing.assert_allclose(faces, centres[rows], atol=1e-6)
    assert len(set(rows)) == 20
    assert rows != sorted(rows)
