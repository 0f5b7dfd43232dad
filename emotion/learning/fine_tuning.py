"""How a pretrained base learns: held near its starting weights, and slower the further a layer is from the output.

Both change the steps of an optimizer of Keras; if both are off, the optimizer is that of Keras.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from emotion.networks.architectures import BASE
from emotion.params import Transfer


def optimizer_class(kind: type[Any], network: keras.Model, transfer: Transfer) -> type[Any]:
    """Return the class of the optimizer for the trainable weights of a network with a pretrained base.

    Args:
        kind: the class of `keras.optimizers`.
        network: as from `architectures.build`, with the layers frozen that do not learn.
        transfer: the section `train.transfer`.
    """
    if not (transfer.anchor or transfer.layer_decay):
        return kind
    attributes = {
        "factors": rate_factors(network, transfer.layer_decay or 1.0),
        "anchors": anchor_strengths(network, transfer.anchor),
    }
    return type(kind.__name__, (_FineTuning, kind), attributes)


def rate_factors(network: keras.Model, decay: float) -> list[float]:
    """Return the factor of the learning rate of each trainable weight (Howard and Ruder 2018, arXiv:1801.06146).

    It is 1 behind the base, `decay` for the last convolution of the base, and `decay` times as much for each
    convolution before. A batch normalisation has the factor of the convolution before it.
    """
    factors: dict[int, float] = {}
    factor = decay
    for layer in reversed(network.get_layer(BASE).layers):
        factors |= {id(variable): factor for variable in layer.trainable_variables}
        if hasattr(layer, "kernel"):
            factor *= decay
    return [factors.get(id(variable), 1.0) for variable in network.trainable_variables]


def anchor_strengths(network: keras.Model, strength: float) -> list[float]:
    """Return how strongly each trainable weight is drawn to its start: only kernels of the base, as in weight decay."""
    base = {id(variable) for variable in network.get_layer(BASE).trainable_variables}
    return [
        strength if id(variable) in base and variable.name == "kernel" else 0.0
        for variable in network.trainable_variables
    ]


class _FineTuning(keras.optimizers.Optimizer):  # type: ignore[misc]  # Keras gives it no type
    """The part of an optimizer that scales the steps and draws weights to their start.

    The decay towards the start is decoupled from the gradient, like weight decay in AdamW (L2-SP: Li et al. 2018,
    arXiv:1802.01483).
    """

    factors: list[float]
    anchors: list[float]

    def build(self, variables: list[Any]) -> None:
        """Add the starting weights to the variables of the optimizer, so that a checkpoint holds them."""
        if self.built:
            return
        super().build(variables)
        self.starts = [self.add_variable_from_reference(variable, "start") for variable in variables]
        for start, variable in zip(self.starts, variables, strict=True):
            start.assign(ops.copy(variable))  # JAX must not share their memory

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Make one step of one weight."""
        index = self._get_variable_index(variable)
        rate = learning_rate * self.factors[index]
        if anchor := self.anchors[index]:
            self.assign_sub(variable, rate * anchor * (variable - self.starts[index]))
        super().update_step(gradient, variable, rate)
