"""Stages of work that overlap: while one is at an item, the one before it is at the next."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple


class Stage(NamedTuple):
    """What is done to an item, and in how many threads; with one, items come in order."""

    work: Callable[[Any], Any]
    threads: int = 1


def in_stages(
    items: Iterable[Any], stages: Sequence[Stage], room: Callable[[Any], int], stop: Callable[[], None]
) -> Generator[Any]:
    """What the stages, one after the other, make of each item, in the order of the items.

    Items are taken, and results given, in the caller's thread; before the next is taken, no more than `room(item)` are
    under way. What a stage raises is raised here when the item's turn comes. At the end, however it comes about, `stop`
    is called, which is to end what waits; then what has not begun is dropped, and the rest is waited for.
    """
    pools = [ThreadPoolExecutor(stage.threads, f"stage {place}") for place, stage in enumerate(stages)]
    under_way: deque[Future[Any]] = deque()
    try:
        for item in items:
            before: Future[Any] = Future()
            before.set_result(item)
            for pool, stage in zip(pools, stages, strict=True):
                before = pool.submit(_after, before, stage.work)
            under_way.append(before)
            while len(under_way) > room(item):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        stop()
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _after(before: Future[Any], work: Callable[[Any], Any]) -> Any:
    return work(before.result())
