"""Pictures of high dynamic range (PQ, HLG) for eyes, and networks, that know the usual range.

Light is measured in cd/m2, of which the usual white is 203 (ITU-R BT.2408). What is darker than about 90 stays as it
is; what is brighter, up to 1000, is rolled off towards white by the curve of BT.2390; beyond, it is white.
"""

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

PQ, HLG = 16, 18
"""Transfer characteristics of ITU-T H.273."""

WIDE = 9
"""The colour primaries of BT.2020 in H.273."""

NAMES = {PQ: "PQ", HLG: "HLG"}

_WHITE, _PEAK = 203.0, 1000.0

# SMPTE ST 2084 and BT.2100, table 4
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# ARIB STD-B67 and BT.2100, table 5
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)

_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
"""From the primaries of BT.2020 (BT.2087)."""


def tone_mapped(picture: UInt16[np.ndarray, "h w 3"], transfer: int, primaries: int) -> UInt8[np.ndarray, "h w 3"]:
    """R'G'B' of the transfer PQ or HLG, full scale 65535, to that of BT.709 for a usual screen (BT.1886)."""
    signal = picture.astype(np.float32) / 65535
    light = _pq_light(signal) if transfer == PQ else _hlg_light(signal)
    brightest = light.max(axis=2, keepdims=True).clip(1e-3, _PEAK)
    light = (light * (_rolled_off(brightest) / brightest)).clip(0, _WHITE)
    if primaries in (WIDE, 0, 2):  # 0 and 2: nobody says
        light = light @ _TO_709.T
    screen: np.ndarray = (light / _WHITE).clip(0, 1) ** (1 / 2.4)
    return (screen * 255 + 0.5).astype(np.uint8)


def _pq_light(signal: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w c"]:
    power = signal ** (1 / _M2)
    light: np.ndarray = 10_000 * ((power - _C1).clip(0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light.astype(np.float32)


def _pq_signal(light: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w c"]:
    power = (light / 10_000) ** _M1
    signal: np.ndarray = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal.astype(np.float32)


def _hlg_light(signal: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Light in cd/m2 of an HLG signal on a screen of 1000 cd/m2, of which the system gamma is 1.2."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luminance = (scene @ _LUMINANCE)[..., None]
    light: np.ndarray = _PEAK * luminance**0.2 * scene
    return light.astype(np.float32)


def _rolled_off(light: Float32[np.ndarray, "h w 1"]) -> Float32[np.ndarray, "h w 1"]:
    """Light of 0 to 1000 cd/m2 brought into 0 to 203 cd/m2 (BT.2390, 5.4.1; black stays black)."""
    white, peak = _pq_signal(np.array([_WHITE, _PEAK], np.float32)[:, None, None]).ravel().tolist()
    most = white / peak
    knee = 1.5 * most - 0.5
    signal = _pq_signal(light) / peak
    t = ((signal - knee) / (1 - knee)).clip(0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return _pq_light(np.where(signal < knee, signal, spline) * peak)
