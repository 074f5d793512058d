"""Searches that wait are answered together: one pass over the vectors serves them all.

Nobody waits for others to come: a lone search begins at once. While it is answered more may come, and what has come by
its end is answered by one call. Two calls at a time would each have fewer searches, and take the interpreter from one
another; so a second one begins only for who has waited long, as behind a condition that takes seconds.
"""

import time
from asyncio import get_running_loop, wrap_future
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

import torch

from avgzsl.server.limits import WaitingLine

MOST = 32  # searches in one call: more would keep the first of them waiting for the last
LONG = 0.5  # seconds after which a search that waits has another thread begin, if the line has one

Q = TypeVar("Q")
A = TypeVar("A")


class Together(Generic[Q, A]):
    """Questions that wait in a line, answered up to MOST at a time; each gets its own answer, or error.

    `answer` gives an answer or an error for each question. Places in the line, and what ends with it, are as of the
    line's other calls. A product of matrices takes all threads of torch where one call is at work, and its share of
    them where several are.
    """

    def __init__(self, line: WaitingLine, answer: Callable[[Sequence[Q]], Sequence[A | Exception]]) -> None:
        self._line, self._answer = line, answer
        self._lock, self._begun, self._working = Lock(), 0, 0
        self._threads = torch.get_num_threads()
        self._waiting: deque[tuple[Q, Future[A], float]] = deque()  # with the time since when

    async def run(self, question: Q) -> A:
        """The answer. Raises 429 where no place is free, and what is wrong with the question."""
        with self._line.place() as place:
            future: Future[A] = Future()
            place.begun = future
            with self._lock:
                self._waiting.append((question, future, time.monotonic()))
            self._begin()
            waited = get_running_loop().call_later(LONG, self._go_on)
            try:
                return await wrap_future(future)
            finally:
                waited.cancel()

    def close(self) -> None:
        """Give torch its threads back; the line has ended."""
        torch.set_num_threads(self._threads)

    def _begin(self) -> None:
        """Have a thread take what waits, unless as many as may will do so. Raises RuntimeError at the end."""
        with self._lock:
            if not self._waiting:
                return
            *_, since = self._waiting[0]
            if self._begun >= (self._line.at_once if time.monotonic() - since >= LONG else 1):
                return
            self._begun += 1
        try:
            self._line.submit(self._take).add_done_callback(self._taken)
        except RuntimeError:  # the line has been stopped
            self._give_up()
            raise

    def _taken(self, work: "Future[None]") -> None:
        with self._lock:
            self._begun -= 1
        if work.cancelled():
            self._give_up()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """The same, of what needs not know of the end."""
        with suppress(RuntimeError):
            self._begin()

    def _give_up(self) -> None:
        """Nothing that waits will be answered."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for _, future, _ in waiting:
            future.cancel()

    def _take(self) -> None:
        """Answer what waits; whose caller has gone is left out."""
        with self._lock:
            first = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            self._working += 1
            others = len(first) > 1  # where many ask, taking their requests is work, too
            share = max(1, self._threads // (self._working + others))
        taken = [(question, future) for question, future, _ in first if future.set_running_or_notify_cancel()]
        try:
            if torch.get_num_threads() != share:  # of this thread
                torch.set_num_threads(share)
            answers = self._answered([question for question, _ in taken])
            for (_, future), answer in zip(taken, answers, strict=True):
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        finally:
            with self._lock:
                self._working -= 1

    def _answered(self, questions: Sequence[Q]) -> Sequence[A | Exception]:
        """Where the call itself fails each question is asked alone: one that breaks it spoils no other."""
        if not questions:
            return []
        try:
            return self._answer(questions)
        except BaseException as problem:
            if len(questions) == 1:
                return [problem if isinstance(problem, Exception) else RuntimeError(repr(problem))]
            return [answer for question in questions for answer in self._answered([question])]
