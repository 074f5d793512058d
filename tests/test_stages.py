"""Stages that overlap: order, bounds, errors and ends. No clock is asked: who would wait for ever breaks a barrier."""

from collections.abc import Iterator
from itertools import count
from threading import Barrier, Event

import pytest

from avgzsl.support.stages import Stage, in_stages

LONGEST = 100.0  # seconds until a wait that would not end is given up


def nothing() -> None:
    pass


def test_three_stages_work_at_three_items_at_once():
    """Each stage waits, at its own item, until both others are at theirs: one after the other they never meet."""
    meeting = Barrier(3)

    def stage(place: int):
        def work(item: int) -> int:
            if item == 2 - place:  # the last stage is at item 0 when the first is at item 2
                meeting.wait(LONGEST)
            return item

        return Stage(work)

    made = in_stages(range(5), [stage(0), stage(1), stage(2)], lambda _: 3, nothing)
    assert list(made) == [0, 1, 2, 3, 4]
    assert not meeting.broken


def test_a_stage_of_two_threads_works_at_two_items_and_keeps_the_order():
    second = Event()

    def work(item: int) -> int:
        if item == 0:
            assert second.wait(LONGEST)
        second.set()
        return 10 * item

    assert list(in_stages(range(4), [Stage(work, 2)], lambda _: 2, nothing)) == [0, 10, 20, 30]


@pytest.mark.parametrize("room", [0, 1, 4])
def test_no_more_items_are_taken_than_there_is_room_for(room):
    taken, given = [], 0

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    for item in in_stages(items(), [Stage(lambda item: item)] * 3, lambda _: room, nothing):
        assert item == given and len(taken) - given <= room + 1
        given += 1
    assert given == 20


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_an_error_of_any_stage_comes_when_its_turn_is_and_ends_all(broken):
    stopped, done = [], []

    def work(place: int):
        def at(item: int) -> int:
            if (place, item) == (broken, 3):
                raise ValueError(f"stage {place}")
            if place == 2:
                done.append(item)
            return item

        return Stage(at)

    given = []
    with pytest.raises(ValueError, match=f"stage {broken}"):
        given.extend(in_stages(count(), [work(0), work(1), work(2)], lambda _: 2, lambda: stopped.append(1)))
    assert given == [0, 1, 2] and stopped == [1] and max(done) <= 6


def test_closing_stops_what_waits_and_drops_what_has_not_begun():
    release, begun = Event(), []

    def work(item: int) -> int:
        begun.append(item)
        if item:
            release.wait(LONGEST)
        return item

    made = in_stages(count(), [Stage(work), Stage(lambda item: item)], lambda _: 5, release.set)
    assert next(made) == 0
    made.close()
    assert release.is_set() and max(begun) <= 1  # `stop` has let the one go on, and no other was begun


def test_an_error_of_the_caller_or_of_the_items_stops_too():
    stopped = []

    def items() -> Iterator[int]:
        yield 1
        raise KeyError("no more")

    with pytest.raises(KeyError):
        list(in_stages(items(), [Stage(str)], lambda _: 3, lambda: stopped.append(1)))
    assert stopped == [1]
