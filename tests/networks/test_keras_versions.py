"""The files of this project in the oldest and the newest Keras, each in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from packages import lowest_of_pyproject
from small_networks import CLASSES, drawn, facts_of, settings

from emotion import export
from emotion.networks import architectures, keras_file

pytestmark = pytest.mark.slow

FACES = drawn().pixels
OLDEST = "3.6.0"
"""The files are said to load from this version on; the pipeline itself needs a newer one."""

# A backend without TensorFlow, which the oldest Keras would want in an older version.
READ = """
import json, os, sys
os.environ["KERAS_BACKEND"] = "jax"
import keras, numpy as np
faces = np.load("faces.npy")
found = {path: keras.models.load_model(path, compile=False).predict(faces, verbose=0).tolist() for path in sys.argv[1:]}
print(json.dumps({"version": keras.__version__, "found": found}))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, np.ndarray]:
    """Both formats of three networks, and the probabilities that each gives for the faces."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "faces.npy", FACES)
    expected: dict[Path, np.ndarray] = {}
    for name in ("resnet", "batchnorm_cnn", "efficientnetb0"):
        keras.utils.set_random_seed(0)
        network = architectures.build(name, 40, len(CLASSES), architectures.Transfer("none", 32))
        served = architectures.wrap_for_serving(network, 48, temperature=1.5, views=2)
        keras_file.save(served, facts_of(settings()), folder / f"{name}.keras")
        export.FORMATS["h5"][0](served, facts_of(settings()), folder / f"{name}.h5")
        expected |= {folder / f"{name}.{suffix}": served.predict(FACES, verbose=0) for suffix in ("keras", "h5")}
    return expected


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("version", [f"=={OLDEST}", f"=={lowest_of_pyproject('keras')}.0", f">={keras.__version__}"])
def test_keras_of_another_version_reads_the_files_and_computes_the_same(
    files: dict[Path, np.ndarray], tmp_path: Path, version: str
) -> None:
    python = tmp_path / "environment/bin/python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
    packages = [f"keras{version}", "jax", "h5py"]
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    folder = next(iter(files)).parent
    result = subprocess.run(
        [python, "-c", READ, *map(str, files)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    answer = json.loads(result.stdout.splitlines()[-1])
    assert version.startswith(">=") or version == f"=={answer['version']}"
    for path, expected in files.items():
        np.testing.assert_allclose(answer["found"][str(path)], expected, atol=1e-5, err_msg=path.name)
