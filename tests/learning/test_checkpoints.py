from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.learning.checkpoints import Arrays, Checkpoint, State, key

PARAMETERS: dict[str, Any] = {"epochs": 3, "augmentation": {"flip": 0.5}}


def state(epochs: int) -> State:
    history = [{"epoch": epoch + 1, "val_loss": 1 / 3} for epoch in range(epochs)]
    variables: Arrays = [np.full((2, 3), epochs, np.float32), np.array(7, np.int64), np.array([1, 2], np.uint32)]
    return State(history, variables, best=[np.arange(12, dtype=np.float32) + epochs])


def assert_equal(first: State, second: State) -> None:
    assert first.history == second.history
    for these, those in ((first.variables, second.variables), (first.best, second.best)):
        assert [array.dtype for array in these] == [array.dtype for array in those]
        for this, that in zip(these, those, strict=True):
            np.testing.assert_array_equal(this, that)


def test_run_without_a_finished_epoch_has_no_state(tmp_path: Path) -> None:
    assert Checkpoint("run", tmp_path).load() is None


def test_last_stored_state_is_loaded_unchanged(tmp_path: Path) -> None:
    checkpoint = Checkpoint("run", tmp_path)
    for epochs in (1, 2):
        checkpoint.save(state(epochs))
        stored = Checkpoint("run", tmp_path).load()
        assert stored is not None
        assert_equal(stored, state(epochs))


def test_many_arrays_keep_their_order(tmp_path: Path) -> None:
    checkpoint = Checkpoint("run", tmp_path)
    checkpoint.save(State([], [np.array(index) for index in range(120)], []))
    stored = checkpoint.load()
    assert stored is not None
    assert [int(array) for array in stored.variables] == list(range(120))


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"no archive at all",
        lambda whole: whole[:-40],
        lambda whole: re.sub(rb"(PK\x01\x02..).", b"\\1\xff", whole, flags=re.DOTALL),
    ],
    ids=["empty", "garbage", "cut off", "future zip version"],
)
def test_damaged_state_is_reported_and_not_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    checkpoint = Checkpoint("run", tmp_path)
    checkpoint.save(state(1))
    path = tmp_path / "run/state.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert checkpoint.load() is None
    error = capsys.readouterr().err
    assert error.startswith(f"{path} is damaged (")
    assert error.endswith("; training starts from the first epoch\n")


def test_run_with_another_name_has_its_own_state(tmp_path: Path) -> None:
    Checkpoint("run", tmp_path).save(state(1))
    assert Checkpoint("other", tmp_path).load() is None


def test_clearing_deletes_the_state_of_this_run_only(tmp_path: Path) -> None:
    checkpoint, other = Checkpoint("run", tmp_path), Checkpoint("other", tmp_path)
    checkpoint.save(state(1))
    other.save(state(2))
    checkpoint.clear()
    checkpoint.clear()
    assert checkpoint.load() is None
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_interrupted_write_keeps_the_stored_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint("run", tmp_path)
    checkpoint.save(state(1))

    def write_half(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", write_half)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(state(2))
    stored = checkpoint.load()
    assert stored is not None
    assert_equal(stored, state(1))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["state.npz"]


def test_key_does_not_depend_on_folders_or_the_order_of_parameters(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "train.npz" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"faces")
    first, second = (key(PARAMETERS, [path], []) for path in paths)
    reordered = dict(reversed(PARAMETERS.items()))
    assert first == second == key(reordered, [paths[0]], [])


def test_key_changes_with_parameters_inputs_and_code(tmp_path: Path) -> None:
    data, code = tmp_path / "train.npz", tmp_path / "training.py"
    data.write_bytes(b"faces")
    code.write_bytes(b"pass")
    keys = [
        key(PARAMETERS, [data], [code]),
        key({**PARAMETERS, "epochs": 4}, [data], [code]),
        key({**PARAMETERS, "augmentation": {"flip": 0.4}}, [data], [code]),
    ]
    data.write_bytes(b"other faces")
    keys.append(key(PARAMETERS, [data], [code]))
    code.write_bytes(b"return")
    keys.append(key(PARAMETERS, [data], [code]))
    assert len(set(keys)) == 5


def test_key_changes_when_a_file_is_renamed_or_two_files_swap_their_contents(tmp_path: Path) -> None:
    def key_of(**contents: str) -> str:
        for name, content in contents.items():
            (tmp_path / f"{name}.py").write_text(content)
        return key(PARAMETERS, [], [tmp_path / f"{name}.py" for name in contents])

    original = key_of(batches="pass", schedules="return")
    assert original == key_of(batches="pass", schedules="return")
    assert original != key_of(batches="pass", rates="return")
    assert original != key_of(batches="return", schedules="pass")
    assert original != key_of(schedules="pass", batches="return")
