"""Whether an encoder gives classes the vectors that they have: two encoders of one width are two spaces."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from avgzsl.errors import ConfigError

_SAME = 0.99  # cosine of two vectors of one name that differ by rounding or a different normalisation alone


def require_same_space(
    spec: str, where: str, names: Sequence[str], encoded: Float[Tensor, "c _a"], known: Float[Tensor, "c _b"]
) -> None:
    """Raises ConfigError unless each class, named in `names`, has the same vector in both, up to its length."""
    if encoded.shape[1] != known.shape[1]:
        raise ConfigError(
            f"{spec}: gives {encoded.shape[1]} numbers, but the classes of {where} have text vectors of "
            f"{known.shape[1]}; name the encoder that made them"
        )
    same = cosine_similarity(encoded.double(), known.double(), dim=1)
    if len(same) and float(same.min()) < _SAME:
        farthest = int(same.argmin())
        raise ConfigError(
            f"{spec}: gives the class {names[farthest]!r} another vector than {where} has (cosine "
            f"{float(same.min()):.2f}); name the encoder that made the vectors"
        )
