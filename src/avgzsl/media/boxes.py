"""Boxes of MP4 and its kin (ISO/IEC 14496-12), within bytes."""

import mmap
from collections.abc import Iterator


def boxes(content: bytes | mmap.mmap, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte of its content, byte behind it) of each box between the bytes `at` and `end`."""
    while at + 8 <= end:
        size, name, start = number(content, at, 4), bytes(content[at + 4 : at + 8]), at + 8
        if size == 1:
            size, start = number(content, at + 8, 8), at + 16
        last = end if size == 0 else min(at + size, end)
        if last < start:
            return
        yield name, start, last
        at = last


def number(content: bytes | mmap.mmap, at: int, size: int) -> int:
    """The number in the `size` bytes from `at` on, most significant first. Raises IndexError behind the end."""
    if at + size > len(content):
        raise IndexError(f"ends at byte {len(content)}")
    return int.from_bytes(content[at : at + size], "big")
