"""One opening of a file, which serves all that is read of it: its facts, its picture and its sound."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from avgzsl.media.container import MP4


class Opening:
    """An open container, and how its `streams` (their indices) are read: each once.

    Those that are read from the begin of the file share one pass over its packets; what is not yet asked for waits,
    encoded. One stream may be entered elsewhere, by seeking. Where an index told where all packets lie (`indexed`) and
    is all that seeking looks at, as in an MP4 file, each may be, whatever was read before.
    """

    def __init__(self, container: Any, streams: Sequence[int], indexed: bool) -> None:
        self.container, self.indexed = container, indexed
        self._unread = set(streams)
        self._packets: Iterator[Any] | None = None  # of the pass from the begin
        self._waiting: dict[int, deque[Any]] = {index: deque() for index in streams}
        self._entered = False  # whether it was entered elsewhere than at its begin

    def from_begin(self, index: int) -> Generator[Any] | None:
        """The packets of a stream from the begin of the file on; None where this opening cannot give them any more."""
        if self._entered or index not in self._unread:
            return None
        self._unread.remove(index)
        if self._packets is None:
            self._packets = self.container.demux([self.container.streams[each] for each in self._waiting])
        return self._packets_of(index)

    def may_enter(self, index: int) -> bool:
        """Whether the caller may seek, and read a stream from there: then it does, and the stream counts as read."""
        untouched = self._packets is None and not self._entered
        if index not in self._unread or not (untouched or (self.indexed and self.container.format.name == MP4)):
            return False
        self._unread.remove(index)
        self._entered = True
        return True

    def _packets_of(self, index: int) -> Generator[Any]:
        own = self._waiting[index]
        try:
            while True:
                if own:
                    yield own.popleft()
                elif (packet := next(self._packets or iter(()), None)) is None:
                    return
                elif (its := packet.stream.index) == index:  # `stream_index` is wrong of the last, empty packets
                    yield packet
                elif its in self._waiting:
                    self._waiting[its].append(packet)
        finally:
            del self._waiting[index]  # nobody asks for what follows
