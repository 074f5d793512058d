"""The last layer of a tagger, from its feature to the probabilities of its labels."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from avgzsl.backbones._cards import Activation


@dataclass(frozen=True, eq=False)
class LastLayer:
    """From a feature to probabilities: activation(weights x feature + bias)."""

    weights: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]
    activation: Activation

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Probabilities, on the device of the features."""
        values = features.float() @ self.weights.to(features.device).T + self.bias.to(features.device)
        return activate(values, self.activation)


def activate(values: Float[Tensor, "n k"], activation: Activation | None) -> Float[Tensor, "n k"]:
    """Probabilities of logits; without an activation, the values as they are."""
    if activation is None:
        return values
    return values.sigmoid() if activation == "sigmoid" else values.softmax(1)
