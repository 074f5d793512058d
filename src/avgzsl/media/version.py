"""Which version of decoding this is: stores and indexes record it, so that features of two versions are not mixed."""

DECODER = 1
"""Raised with every change of the frames or sound that a whole file gives. What each changed:

0 (stores and indexes without a version): nothing yet.
1: non-square pixels are shown as wide as they are; a picture of tiles is put together; PQ and HLG are tone-mapped;
   sound whose channels cancel is no silence; the last frame is shown until its own end, and time stamps that restart or
   jump are joined.
"""
