from __future__ import annotations

import numpy as np
import pytest
from small_dlib import integer, name, small_network, tensor, written
from small_networks import one_line

from emotion.errors import ModelError
from emotion.networks.dlib_file import Reader, read

CONVOLUTIONS = small_network()
CONTENT = written(CONVOLUTIONS)


def test_convolutions_are_read_in_order_with_the_affine_layers_behind_them() -> None:
    found = read(CONTENT)
    assert len(found) == len(CONVOLUTIONS)
    for read_back, made in zip(found, CONVOLUTIONS, strict=True):
        assert read_back.stride == made.stride
        np.testing.assert_array_equal(read_back.kernel, made.kernel)
        np.testing.assert_array_equal(read_back.scale, made.scale)
        np.testing.assert_allclose(read_back.offset, made.offset, atol=1e-6)


@pytest.mark.parametrize("value", [0, 1, 127, 255, 256, -1, -300, 2**40])
def test_integers_of_every_length_and_sign_are_read(value: int) -> None:
    assert Reader(integer(value)).integer() == value


def test_name_of_a_layer_inside_a_tensor_is_not_taken_for_a_layer() -> None:
    trap = np.frombuffer(name("con_4") + b"\0", "<f4")
    made = CONVOLUTIONS[0]
    kernel = made.kernel.copy()
    kernel.ravel()[: len(trap)] = trap
    spoilt = type(made)(kernel, made.stride, made.scale, made.offset)
    found = read(written([spoilt]))
    assert len(found) == 1
    np.testing.assert_array_equal(found[0].kernel, kernel)


def test_tensor_keeps_its_shape() -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1)
    np.testing.assert_array_equal(Reader(tensor(values)).tensor(), values)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it holds no convolution of dlib"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it holds no convolution of dlib"),
        (CONTENT[:5000], "it ends early"),
        (CONTENT.replace(name("affine_"), name("bn_con_")), "a convolution has no affine layer behind it"),
    ],
)
def test_file_that_is_no_whole_network_for_inference_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(ModelError, match=fault) as caught:
        read(content)
    one_line(caught.value)
