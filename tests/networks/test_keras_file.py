from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from small_networks import CLASSES, drawn, facts_of, one_line, run_python, settings

from emotion import metadata
from emotion.errors import ModelError
from emotion.networks import architectures, keras_file

FACTS = facts_of(settings())

WRITE = """
import sys
from pathlib import Path
from test_keras_file import FACTS, served
from emotion.networks import keras_file
keras_file.save(served(), FACTS, Path(sys.argv[1]))
"""


def served() -> keras.Model:
    """Build the network as a new process would: layer names count from 1, and the weights come from one seed."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    network = architectures.build("resnet", 40, len(CLASSES), architectures.Transfer("none", 32))
    return architectures.wrap_for_serving(network, 48, temperature=1.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, Path]:
    path = tmp_path_factory.mktemp("written") / "emotion.keras"
    model = served()
    keras_file.save(model, FACTS, path)
    return model, path


def test_model_and_metadata_are_loaded_unchanged(written: tuple[keras.Model, Path]) -> None:
    model, path = written
    loaded, facts = keras_file.load(path)
    assert facts == FACTS
    faces = drawn().pixels[:4]
    np.testing.assert_array_equal(loaded(faces), model(faces))


def test_file_holds_the_metadata_as_json(written: tuple[keras.Model, Path]) -> None:
    with zipfile.ZipFile(written[1]) as archive:
        assert metadata.parse(archive.read("emotion.json").decode(), "emotion.keras") == FACTS


def test_only_the_file_itself_is_written(written: tuple[keras.Model, Path]) -> None:
    assert [path.name for path in written[1].parent.iterdir()] == ["emotion.keras"]


def test_file_holds_a_constant_date(written: tuple[keras.Model, Path]) -> None:
    with zipfile.ZipFile(written[1]) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"1980-01-01@00:00:00" in archive.read("metadata.json")


def test_another_process_writes_the_same_bytes(written: tuple[keras.Model, Path], tmp_path: Path) -> None:
    path = tmp_path / "emotion.keras"
    result = run_python(Path(__file__).parent, "-c", WRITE, str(path))
    assert result.returncode == 0, result.stderr
    assert path.read_bytes() == written[1].read_bytes()


def test_different_weights_give_different_bytes(written: tuple[keras.Model, Path], tmp_path: Path) -> None:
    model = served()
    model.set_weights([weight + 1 for weight in model.get_weights()])
    keras_file.save(model, FACTS, tmp_path / "emotion.keras")
    assert (tmp_path / "emotion.keras").read_bytes() != written[1].read_bytes()


def test_file_has_no_setting_that_only_new_versions_of_keras_know(written: tuple[keras.Model, Path]) -> None:
    with zipfile.ZipFile(written[1]) as archive:
        text = archive.read("config.json").decode()
    assert not [name for name in keras_file.NEWER if f'"{name}"' in text]


def test_settings_that_change_something_are_kept() -> None:
    document = {"layers": [{"config": {"renorm": True, "renorm_momentum": 0.99, "units": 1}, "input_axes": [0]}]}
    keras_file.drop_newer_settings(document)
    assert document == {"layers": [{"config": {"renorm": True, "units": 1}, "input_axes": [0]}]}


def test_file_of_another_version_of_keras_is_refused_with_the_version_to_install(
    written: tuple[keras.Model, Path], tmp_path: Path
) -> None:
    path = tmp_path / "emotion.keras"
    with zipfile.ZipFile(written[1]) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name).replace(b'"momentum":', b'"unheard_of": 1, "momentum":')
            target.writestr(name, content.replace(f'"{keras.__version__}"'.encode(), b'"3.99.0"'))
    versions = f"(Keras 3.99.0 wrote it, and this is Keras {keras.__version__}: install keras==3.99.0)"
    assert versions in refusal(path)


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        keras_file.load(path)
    return one_line(caught.value)


@pytest.mark.parametrize("name", ["none.keras", "none.h5"])
def test_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    line = refusal(tmp_path / name)
    assert line.startswith(f"{tmp_path / name} cannot be read as a model of this project (")
    assert "No such file" in line
    assert line.endswith("run: dvc repro train")


@pytest.mark.parametrize("name", ["garbage.keras", "garbage.h5", "empty.keras", "empty.h5"])
def test_file_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"no model at all" * 100)
    assert f"{tmp_path / name} cannot be read as a model of this project (" in refusal(tmp_path / name)


def test_truncated_file_is_refused(written: tuple[keras.Model, Path], tmp_path: Path) -> None:
    path = tmp_path / "emotion.keras"
    path.write_bytes(written[1].read_bytes()[:-5000])
    assert "cannot be read as a model of this project (" in refusal(path)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
@pytest.mark.parametrize("damage", ["missing", "garbage", "another document"])
def test_file_with_a_damaged_member_is_refused(
    written: tuple[keras.Model, Path], tmp_path: Path, member: str, damage: str
) -> None:
    path = tmp_path / "emotion.keras"
    with zipfile.ZipFile(written[1]) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name != member:
                target.writestr(name, source.read(name))
            elif damage != "missing":
                target.writestr(name, b"\x00garbage" if damage == "garbage" else b'{"cat": 1}')
    assert "cannot be read as a model of this project (" in refusal(path)


def test_files_without_metadata_are_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(tmp_path / "plain.keras")
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file.attrs["keras_version"] = "3"
    for name in ("plain.keras", "plain.h5"):
        assert (
            f"{name} cannot be read as a model of this project (it has no metadata); run: dvc repro train"
            in refusal(tmp_path / name)
        )


def test_file_with_metadata_of_another_project_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file.attrs[metadata.KEY] = '{"classes": ["cat"]}'
    assert "foreign.h5 has metadata that cannot be read" in refusal(tmp_path / "foreign.h5")


def test_model_that_contains_code_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    keras_file.save(model, FACTS, tmp_path / "lambda.keras")
    assert "cannot be read as a model of this project (" in refusal(tmp_path / "lambda.keras")
