"""The figure of each frame, what differs from the picture's rim, without a trained network: its colour and its shape.

That the rim shows the ground is the boundary prior of salient objects (Wei et al., 2012). The share of a pixel that the
figure covers is its distance from the ground's colour over the figure's own, so that soft edges count in part.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float, Inexact, Int, UInt8

COLOURS = 15  # twelve hues, black, grey, white
HARMONICS = 8
WAYS, MIXED = (2, 3, 4, 5, 6), ((2, 1), (3, 1))
TURNS = WAYS[:3]  # higher ones go too far between two frames to say which way
MOMENTS = len(WAYS) + len(MIXED) + 1
_HUES, _ANGLES, _LEVELS = 12, 36, 64
_DIFFERENCE = 0.08  # of the distance of black and white: what differs less from the ground counts as ground
_COLOURLESS, _COLOURFUL = 0.1, 0.4  # chroma at which a hue begins to count, and counts fully
_RIM = 16  # part of the picture's side
_TINY = 1e-6

Colour = Float[np.ndarray, "t s s 3"]
Cover = Float[np.ndarray, "t s s"]


class Figures(NamedTuple):
    """Of t frames: what tells the figures apart, and where they are, to follow them in time.

    `area` is the share of the picture, `cut` whether the figure meets the rim, `centre` goes from -1 to 1, right and
    down; `turned` are complex moments whose angle goes k times as far as the figure turns, for each k of TURNS. A frame
    without a figure has zeros.
    """

    area: Float[np.ndarray, " t"]
    cut: Bool[np.ndarray, " t"]
    centre: Float[np.ndarray, "t 2"]
    turned: Complex[np.ndarray, "t turns"]
    colours: Float[np.ndarray, "t colours"]
    ground: Float[np.ndarray, "t 3"]
    moments: Float[np.ndarray, "t moments"]
    contour: Float[np.ndarray, "t harmonics"]


def figures(frames: UInt8[np.ndarray, "t s s 3"]) -> Figures:
    """What stands before the ground, frame by frame."""
    colour = frames.astype(np.float32) / 255
    ground, cover = covered(colour)
    frame, down, right = np.nonzero(cover)
    count, side = len(frames), frames.shape[1]
    weight = cover[frame, down, right].astype(np.float64)
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    total = np.maximum(np.bincount(frame, weight, count), _TINY)
    centre = np.stack([np.bincount(frame, weight * axis[places], count) / total for places in (right, down)], 1)
    z = (axis[right] - centre[frame, 0]) + 1j * (axis[down] - centre[frame, 1])
    pixels = _Pixels(frame, count, weight, z, total * (2 / side) ** 2, (2 / side) ** 2)
    turned, moments = _moments(pixels)
    area = np.bincount(frame, weight, count) / side**2
    rim = _rim(cover).max(1) > 0.5 if side > 1 else np.zeros(count, bool)
    colours = named_colours(colour[frame, down, right])
    shares = np.stack([np.bincount(frame, weight * one, count) / total for one in colours.T], 1)
    return Figures(area, rim, centre, turned, shares, ground, moments, _contour(pixels))


def covered(colour: Colour) -> tuple[Float[np.ndarray, "t 3"], Cover]:
    """The colour of the ground, which is the rim's median, and the share of each pixel that the figure covers."""
    ground = np.median(_rim(colour), axis=1)
    distance = np.linalg.norm(colour - ground[:, None, None], axis=3) / np.sqrt(3)
    least = np.maximum(_otsu(distance), _DIFFERENCE)[:, None, None]
    beyond = distance > least
    own = (distance * beyond).sum((1, 2)) / np.maximum(beyond.sum((1, 2)), 1)
    cover = np.minimum(distance / np.maximum(own, _TINY)[:, None, None], 1)
    inked = beyond.any((1, 2))[:, None, None]
    return ground, np.where(inked & (distance > least / 2), cover, 0)


def named_colours(colour: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n colours"]:
    """The shares of twelve hues (red first, 30 degrees apart), black, grey and white of RGB colours from 0 to 1.

    A colour between two has a part of both. Shares of a row add up to 1.
    """
    red, green, blue = colour.T
    alpha, beta = red - (green + blue) / 2, np.sqrt(0.75) * (green - blue)
    colourful = np.clip((np.hypot(alpha, beta) - _COLOURLESS) / (_COLOURFUL - _COLOURLESS), 0, 1)
    place = np.arctan2(beta, alpha) / (2 * np.pi) * _HUES
    hues = np.maximum(1 - np.abs((place[:, None] - np.arange(_HUES) + _HUES / 2) % _HUES - _HUES / 2), 0)
    light = 2 * colour.mean(1)
    greys = np.maximum(1 - np.abs(light[:, None] - np.arange(3)), 0)
    return np.concatenate([hues * colourful[:, None], greys * (1 - colourful)[:, None]], axis=1)


def _rim(planes: Float[np.ndarray, "t s s *c"]) -> Float[np.ndarray, "t r *c"]:
    """The pixels along the border of each frame."""
    side = planes.shape[1]
    wide = max(side // _RIM, 1)
    inner = np.zeros((side, side), bool)
    inner[wide:-wide, wide:-wide] = True
    return planes[:, ~inner]


def _otsu(distance: Cover) -> Float[np.ndarray, " t"]:
    """The threshold of each frame that parts its distances best into near and far (Otsu, 1979)."""
    frame = np.arange(len(distance))[:, None, None] * _LEVELS
    level = np.minimum((distance * _LEVELS).astype(np.int64), _LEVELS - 1)
    count = np.bincount((level + frame).ravel(), minlength=len(distance) * _LEVELS).reshape(-1, _LEVELS)
    share = count / count.sum(1, keepdims=True)
    below, mean = share.cumsum(1), (share * np.arange(_LEVELS)).cumsum(1)
    apart = np.square(mean[:, -1:] * below - mean) / np.maximum(below * (1 - below), _TINY)
    threshold: Float[np.ndarray, " t"] = (apart.argmax(1) + 1) / _LEVELS
    return threshold


class _Pixels(NamedTuple):
    """The figures' pixels, n of all frames: the frame of each, its cover, and its place from the centre, x + iy."""

    frame: Int[np.ndarray, " n"]
    frames: int
    weight: Float[np.ndarray, " n"]
    z: Complex[np.ndarray, " n"]
    area: Float[np.ndarray, " t"]
    pixel: float

    def total(self, values: Inexact[np.ndarray, " n"]) -> Complex[np.ndarray, " t"]:
        """The integral over the figure of each frame."""
        weighted = self.weight * values * self.pixel
        parts: Complex[np.ndarray, " t"] = np.bincount(self.frame, weighted.real, self.frames) + 1j * np.bincount(
            self.frame, weighted.imag, self.frames
        )
        return parts


def _moments(pixels: _Pixels) -> tuple[Complex[np.ndarray, "t turns"], Float[np.ndarray, "t moments"]]:
    """Complex moments (Flusser, 2000), each over the greatest that it could be; sizes hang on no place, size nor turn.

    c_pq is the integral of z^p times the conjugate of z to the q over that of |z|^(p+q): those of TURNS, then the
    sizes of those of WAYS and MIXED, and how compact the figure is, 1 for a disc, less for all else.
    """
    own = np.stack([_moment(pixels, p, 0) for p in WAYS], 1)
    mixed = np.stack([_moment(pixels, p, q) for p, q in MIXED], 1)
    compact = np.square(pixels.area) / np.maximum(2 * np.pi * pixels.total(np.square(np.abs(pixels.z))).real, _TINY)
    return own[:, : len(TURNS)], np.concatenate([np.abs(own), np.abs(mixed), np.minimum(compact, 1)[:, None]], axis=1)


def _moment(pixels: _Pixels, p: int, q: int) -> Complex[np.ndarray, " t"]:
    greatest = pixels.total(np.abs(pixels.z) ** (p + q)).real
    value: Complex[np.ndarray, " t"] = pixels.total(pixels.z**p * pixels.z.conj() ** q) / np.maximum(greatest, 1e-12)
    return value


def _contour(pixels: _Pixels) -> Float[np.ndarray, "t harmonics"]:
    """Fourier descriptors of how far the figure reaches in each direction from its centre (Zahn and Roskies, 1972).

    The k-th is the size of the k-th harmonic over the mean: neither place, size nor turn counts.
    """
    inside = pixels.weight > 0.5
    frame, z = pixels.frame[inside], pixels.z[inside]
    angle = np.rint(np.angle(z) * (_ANGLES / (2 * np.pi))).astype(np.int64) % _ANGLES
    reach = np.zeros(pixels.frames * _ANGLES)
    np.maximum.at(reach, frame * _ANGLES + angle, np.abs(z))
    waves = np.abs(np.fft.rfft(reach.reshape(-1, _ANGLES), axis=1))
    shares: Float[np.ndarray, "t harmonics"] = waves[:, 1 : HARMONICS + 1] / np.maximum(waves[:, :1], _TINY)
    return shares


def moving_colours(frames: UInt8[np.ndarray, "t s s 3"]) -> Float[np.ndarray, " colours"]:
    """The shares of colours among what changes from frame to frame, before and after; zeros where nothing does."""
    total = np.zeros(COLOURS)
    for before, after in pairwise(frames):
        a, b = before.astype(np.float32) / 255, after.astype(np.float32) / 255
        change = np.linalg.norm(a - b, axis=2) / np.sqrt(3)
        moves = change > _DIFFERENCE
        for colour in (a, b):
            total += change[moves] @ named_colours(colour[moves])
    return total / max(float(total.sum()), _TINY)
