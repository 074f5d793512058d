"""Several places of any engines as one: the vector of position p is in the shard p mod k, under the number p div k.

All shards are asked at once, each with an end to its time; the largest products of all are merged, and a shard whose
last answer might not be the last that counts is asked again. One that does not answer is waited for as long as
AVGZSL_SHARD_WAIT says, then told (`PartialAnswer`). A change is made in all shards, or fails and is made again.

Vectors carry the number of their shard in their name: shards in another order, or more of them, have no such vectors.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64

from avgzsl.archive import engines
from avgzsl.archive.engines import Engine, PartialAnswer, Rounding, Shard, Tuned
from avgzsl.archive.engines._base import Found
from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.scores.largest import best
from avgzsl.support.confidential import Address, of_part
from avgzsl.support.seconds import seconds_of

DESCRIPTION = "several places of any engines, asked at once, by a list in --url"
EXAMPLE = "pgvector=postgresql://one:5432/avgzsl,postgresql://two:5432/avgzsl"
SCANS = False
DEFAULT = False
LISTS = True

SECONDS, WAIT = "AVGZSL_SHARD_SECONDS", "AVGZSL_SHARD_WAIT"
_SECONDS = 30.0  # for an answer
_AGAIN = 0.2  # seconds between two questions to a shard that is waited for
_THREADS = 8  # of a shard: so many searches at once
_BEGUN = "begun"
_ORDER = "where all addresses are those of before, and in their order"

T = TypeVar("T")


def APPROXIMATE(url: Address) -> bool:
    """Whether one of the shards is."""
    return any(engines.is_approximate(shard.engine, shard.url) for shard in engines.shards(url))


def open_engine(folder: Path, name: str, dimension: int, url: Address | None) -> "Shards":
    """The vectors of all shards; `folder` notes which of them is being made anew."""
    places = _given(url)
    opened = []
    for i, place in enumerate(places):
        with of_part(i + 1):  # some read their key now
            shard = _named(name, i, places)
            opened.append(engines.open_engine(place.engine, place.folder or folder, shard, dimension, place.url))
    return Shards(folder, name, places, opened)


def drop(folder: Path, name: str, url: Address | None) -> None:
    """Remove the vectors of all shards. Raises AvgzslError where one of them refuses."""
    places = _given(url)
    for i in range(len(places)):
        with of_part(i + 1):
            _drop(folder, name, i, places)
        _mark(folder, name, i).unlink(missing_ok=True)


class Shards:
    """Engines of the same vectors, each with a part of them."""

    def __init__(self, folder: Path, name: str, places: list[Shard], opened: list[Engine]) -> None:
        self.folder, self.name, self.places, self.engines = folder, name, places, opened
        self._threads = [ThreadPoolExecutor(_THREADS, f"shard-{i + 1}") for i in range(len(places))]

    def create(self) -> None:
        """Make room in all shards."""
        self._change([lambda engine: engine.create()] * len(self.engines))

    def upsert(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> None:
        """Put vectors into their shards; fails as a whole where one of these does, and can be done again."""
        k = len(self.engines)
        here = [positions % k == i for i in range(k)]
        parts = [(positions[some] // k, vectors[some]) for some in here]
        self._change([_upsert(part) if len(part[0]) else None for part in parts])

    def delete(self, positions: Int64[np.ndarray, " n"]) -> None:
        """Take vectors out of their shards; every shard is asked."""
        k = len(self.engines)
        self._change([_delete(positions[positions % k == i] // k) for i in range(k)])

    def query(self, vector: Float32[np.ndarray, " e"], n: int, least: float = -np.inf) -> Found:
        """The largest products of all shards. Raises PartialAnswer where some do not answer, AvgzslError for all."""
        k = len(self.engines)
        first = n // k + 4 * int((n / k) ** 0.5) + 8  # of n in no order a shard seldom has more
        asked = dict.fromkeys(range(k), (min(first, n), least))
        known: dict[int, tuple[int, float]] = {}
        found: dict[int, Found] = {}
        absent: dict[int, str] = {}
        while asked:
            answered, silent = self._answers({i: _query(vector, *question) for i, question in asked.items()})
            known |= asked
            absent |= silent
            found = {i: some for i, some in (found | answered).items() if i not in absent}
            # without a shard that was lost meanwhile the others may have to give more
            enough = max(least, _last(found, n))
            asked = {i: (n, enough) for i, (_, some) in found.items() if _more(some, known[i], n, enough)}
        positions, products = _merged(found, k, n)
        if len(absent) == k:
            said = f"no shard answers: {'; '.join(absent.values())}"
            if any(self._has_place(i) for i in absent):
                raise AvgzslError(said)
            raise DataError(f"{said}; where all disks are there, `avgzsl index-rebuild` makes it anew")
        if absent:
            raise PartialAnswer(positions, products, tuple(absent[i] for i in sorted(absent)))
        return positions, products

    def count(self) -> int:
        """The vectors of all shards. Raises PartialAnswer where some do not answer."""
        counts, absent = self._answers(dict.fromkeys(range(len(self.engines)), lambda engine: engine.count()))
        if absent:
            nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
            raise PartialAnswer(*nothing, tuple(absent[i] for i in sorted(absent)))
        return sum(counts.values())

    def close(self) -> None:
        """Close all shards; one that still has not answered ends by itself."""
        for engine in self.engines:
            engine.close()
        for threads in self._threads:
            threads.shutdown(wait=False, cancel_futures=True)

    def tune(self, queries: Float32[np.ndarray, "q e"], recall: float) -> None:
        """Tune the shards that are approximate."""
        tuned = [isinstance(engine, Tuned) for engine in self.engines]
        self._change([(lambda engine: cast(Tuned, engine).tune(queries, recall)) if one else None for one in tuned])

    def shard_of(self, positions: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Counted from 1."""
        return positions % len(self.engines) + 1

    def rounds(self, positions: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Those of the shards that do."""
        return self._rounding(positions, lambda engine, here: engine.rounds(positions[here] // len(self.engines)))

    def holds(self, positions: Int64[np.ndarray, " n"], vectors: Float32[np.ndarray, "n e"]) -> Bool[np.ndarray, " n"]:
        """As the shards say that keep them."""
        k = len(self.engines)
        return self._rounding(positions, lambda engine, here: engine.holds(positions[here] // k, vectors[here]))

    def _rounding(self, positions: Int64[np.ndarray, " n"], ask: Callable[[Rounding, Any], Any]) -> np.ndarray:
        answers = np.zeros(len(positions), bool)
        for i, engine in enumerate(self.engines):
            if isinstance(engine, Rounding):
                here = positions % len(self.engines) == i
                answers[here] = ask(engine, here)
        return answers

    def begin(self, shard: int) -> None:
        """Throw away what a shard has; a file in the folder says that it is being made anew."""
        if not 1 <= shard <= len(self.engines):
            raise ConfigError(f"there is no shard {shard}; give one from 1 to {len(self.engines)}")
        i = shard - 1
        self.folder.mkdir(parents=True, exist_ok=True)
        _mark(self.folder, self.name, i).touch()

        def renew(engine: Engine) -> None:
            _drop(self.folder, self.name, i, self.places)
            engine.create()

        self._change([renew if i == number else None for number in range(len(self.engines))])

    def end(self, shard: int) -> None:
        """It counts again."""
        _mark(self.folder, self.name, shard - 1).unlink(missing_ok=True)

    def _start(self, i: int, call: Callable[[Engine], T]) -> "Future[T]":
        def asked() -> T:
            with of_part(i + 1):
                return call(self.engines[i])

        return self._threads[i].submit(asked)

    def _away(self, i: int) -> str | None:
        """Why a shard need not be asked."""
        if _mark(self.folder, self.name, i).exists():
            return "is being made anew"
        return None if self._has_place(i) else "there is no such folder here; see that its disk is mounted"

    def _has_place(self, i: int) -> bool:
        """Whether there is somebody to ask: a server, or a folder that is there."""
        folder = self.places[i].folder
        return folder is None or folder.is_dir()

    def _answers(self, calls: dict[int, Callable[[Engine], T]]) -> tuple[dict[int, T], dict[int, str]]:
        """What shards answer, by number, and of those that do not, the reason. Raises DataError, ConfigError."""
        end = time.monotonic() + seconds_of(WAIT, 0.0)
        answers: dict[int, T] = {}
        absent: dict[int, str] = {}
        left = calls
        while left:
            absent = {i: reason for i in left if (reason := self._away(i))}
            started = {i: self._start(i, call) for i, call in left.items() if i not in absent}
            limit = time.monotonic() + seconds_of(SECONDS, _SECONDS)
            for i, future in started.items():
                try:
                    answers[i] = future.result(max(limit - time.monotonic(), 0.0))
                except OutOfTime:
                    future.cancel()
                    absent[i] = f"does not answer within {seconds_of(SECONDS, _SECONDS):g} s"
                except DataError as problem:
                    alone = f"`avgzsl index-rebuild --shard {i + 1}` makes this shard alone anew"
                    raise DataError(f"{self._told(i, str(problem))}; {_ORDER}, {alone}") from problem
                except ConfigError as problem:
                    raise ConfigError(self._told(i, str(problem))) from problem
                except AvgzslError as problem:
                    absent[i] = str(problem)
            left = {i: calls[i] for i in absent}
            if time.monotonic() >= end:
                break
            time.sleep(_AGAIN if left else 0.0)
        return answers, {i: self._told(i, reason) for i, reason in absent.items()}

    def _change(self, calls: Sequence[Callable[[Engine], object] | None]) -> None:
        """Change all shards at once, and wait for all. Raises AvgzslError for those that refuse."""
        started = {i: self._start(i, call) for i, call in enumerate(calls) if call is not None}
        refused = []
        for i, future in started.items():
            try:
                future.result()  # which ends: every call of an engine has its own time limit
            except AvgzslError as problem:
                refused.append((type(problem), self._told(i, str(problem))))
        if refused:
            kind = refused[0][0] if len(refused) == 1 else AvgzslError
            raise kind("; ".join(said for _, said in refused))

    def _told(self, i: int, reason: str) -> str:
        place = self.places[i]
        return f"shard {i + 1} of {len(self.places)} ({place.engine} at {place}): {reason}"


def _query(vector: Float32[np.ndarray, " e"], n: int, least: float) -> Callable[[Engine], Found]:
    return lambda engine: engine.query(vector, n, least)


def _upsert(part: tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n e"]]) -> Callable[[Engine], object]:
    return lambda engine: engine.upsert(*part)


def _delete(positions: Int64[np.ndarray, " n"]) -> Callable[[Engine], object]:
    return lambda engine: engine.delete(positions)


def _more(products: Float32[np.ndarray, " m"], asked: tuple[int, float], n: int, enough: float) -> bool:
    """Whether a shard may have more of the n largest of all, none of which is below `enough`.

    What it left out is no larger than the last that it gave, where it gave as many as were asked for; else it is below
    the least that was asked for.
    """
    many, least = asked
    if len(products) == n:
        return False
    return bool(products[-1] >= enough) if len(products) == many else least > enough


def _last(found: dict[int, Found], n: int) -> float:
    """The n-th largest product of all that were found; -inf where there are fewer."""
    products = np.concatenate([some for _, some in found.values()] or [np.zeros(0, np.float32)])
    return float(np.partition(products, len(products) - n)[len(products) - n]) if len(products) >= n else -np.inf


def _merged(found: dict[int, Found], k: int, n: int) -> Found:
    """The n largest products of all shards, under the positions of the whole."""
    positions = np.concatenate([np.zeros(0, np.int64), *(some * k + i for i, (some, _) in found.items())])
    products = np.concatenate([np.zeros(0, np.float32), *(some for _, some in found.values())])
    return best(positions, products, n)


def _given(url: Address | None) -> list[Shard]:
    """Raises ConfigError where there is none."""
    if url is None:
        raise ConfigError(f"sharded needs a list of addresses, as in --url {EXAMPLE}")
    return engines.shards(url)


def _named(name: str, i: int, places: Sequence[Shard]) -> str:
    """What a shard calls its vectors."""
    return f"{name}-{i + 1}of{len(places)}"


def _drop(folder: Path, name: str, i: int, places: Sequence[Shard]) -> None:
    place = places[i]
    engines.drop(place.engine, place.folder or folder, _named(name, i, places), place.url)


def _mark(folder: Path, name: str, i: int) -> Path:
    """The file that says that a shard is being made anew."""
    return folder / f"{name}.shard-{i + 1}.{_BEGUN}"
