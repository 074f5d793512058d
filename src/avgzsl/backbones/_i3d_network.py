"""The network I3D: Inception-v1 inflated to video (Carreira and Zisserman, CVPR 2017), with TensorFlow's padding."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, pad

Triple = tuple[int, int, int]

# name, kernel, stride, channels out; "pool" where there are none; inception: [b0, b1a, b1b, b2a, b2b, b3b]
_STEM: tuple[tuple[str, Triple, Triple, int | None], ...] = (
    ("Conv3d_1a_7x7", (7, 7, 7), (2, 2, 2), 64),
    ("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2), None),
    ("Conv3d_2b_1x1", (1, 1, 1), (1, 1, 1), 64),
    ("Conv3d_2c_3x3", (3, 3, 3), (1, 1, 1), 192),
    ("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2), None),
)
_MIXED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("Mixed_3b", (64, 96, 128, 16, 32, 32)),
    ("Mixed_3c", (128, 128, 192, 32, 96, 64)),
    ("MaxPool3d_4a_3x3", (3, 2)),
    ("Mixed_4b", (192, 96, 208, 16, 48, 64)),
    ("Mixed_4c", (160, 112, 224, 24, 64, 64)),
    ("Mixed_4d", (128, 128, 256, 24, 64, 64)),
    ("Mixed_4e", (112, 144, 288, 32, 64, 64)),
    ("Mixed_4f", (256, 160, 320, 32, 128, 128)),
    ("MaxPool3d_5a_2x2", (2, 2)),
    ("Mixed_5b", (256, 160, 320, 32, 128, 128)),
    ("Mixed_5c", (384, 192, 384, 48, 128, 128)),
)


def pad_same(x: Float[Tensor, "n c t h w"], kernel: Triple, stride: Triple) -> Float[Tensor, "n c _t _h _w"]:
    """TensorFlow's SAME padding with zeros, the smaller half in front: a layer then gives ceil(size / stride)."""
    sides: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max(k - (size % s or s), 0)
        sides += [total // 2, total - total // 2]
    return pad(x, sides) if any(sides) else x


class Unit(nn.Module):
    """Convolution, batch normalisation, ReLU; the classifier is a bare convolution with a bias."""

    def __init__(self, n_in: int, n_out: int, kernel: Triple, stride: Triple = (1, 1, 1), bare: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(n_in, n_out, kernel, stride, bias=bare)
        self.bn = None if bare else nn.BatchNorm3d(n_out, eps=1e-3, momentum=0.01)

    def forward(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n _c _t _h _w"]:
        x = self.conv3d(pad_same(x, self.kernel, self.stride))
        return x if self.bn is None else self.bn(x).relu_()


class MaxPool(nn.Module):
    """Max-pooling over zeros at the border, which cannot win: what comes in has been through a ReLU."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c _t _h _w"]:
        return nn.functional.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Inception(nn.Module):
    """1x1x1; 1x1x1 and 3x3x3; 1x1x1 and 3x3x3 again (not 5x5x5); pooling and 1x1x1: side by side."""

    def __init__(self, n_in: int, widths: Sequence[int]) -> None:
        super().__init__()
        point, cube = (1, 1, 1), (3, 3, 3)
        self.b0 = Unit(n_in, widths[0], point)
        self.b1a, self.b1b = Unit(n_in, widths[1], point), Unit(widths[1], widths[2], cube)
        self.b2a, self.b2b = Unit(n_in, widths[3], point), Unit(widths[3], widths[4], cube)
        self.b3a, self.b3b = MaxPool(cube, point), Unit(n_in, widths[5], point)

    def forward(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n _c t h w"]:
        branches = [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))]
        return torch.cat(branches, 1)


class I3D(nn.Module):
    """The network with the names of piergiaj/pytorch-i3d."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        channels = 3
        for name, kernel, stride, n_out in _STEM:
            self.add_module(name, MaxPool(kernel, stride) if n_out is None else Unit(channels, n_out, kernel, stride))
            channels = n_out or channels
        for name, widths in _MIXED:
            if name.startswith("MaxPool"):
                k, s = widths
                self.add_module(name, MaxPool((k, k, k), (s, s, s)))
            else:
                self.add_module(name, Inception(channels, widths))
                channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = Unit(channels, n_classes, (1, 1, 1), bare=True)

    def features(self, video: Float[Tensor, "n 3 t h w"]) -> Float[Tensor, "n 1024 _s"]:
        """The average-pooled last layer before the classifier: ceil(t / 8) - 1 steps of a video in [-1, 1].

        The pooling is over two steps and the whole picture, which at the published 224 pixels is 7 x 7.
        """
        x = video
        for name in (*(row[0] for row in _STEM), *(row[0] for row in _MIXED)):
            x = self.get_submodule(name)(x)
        return avg_pool3d(x, (2, x.shape[3], x.shape[4]), 1)[..., 0, 0]
