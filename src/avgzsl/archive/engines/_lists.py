"""Lists of vectors that lie near each other, made and searched by faiss; files are our own (`_parts`).

faiss reads no file that it would have to believe: its lists are set up here, over a file of which it is known that
every list lies within it, and mapped read-only. Vectors are divided by all numbers but the last, which in every mode is
0 or the squared length of the others; lists are chosen by the mean of their inner products with a question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from avgzsl.archive.engines._base import Found
from avgzsl.archive.engines._parts import Part, PartRecord, PartWriter, Rows
from avgzsl.support.files import write_whole
from avgzsl.support.registry import require

BATCH = 1 << 18  # rows at a time
_SAMPLE = 64  # vectors for each list that it is learned from
_ROUNDS = 10  # of k-means
_NEVER = np.float32(1e30)  # the last number of a list of nothing: no question comes near

NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Lists:
    """A part, to be searched: all of it where it has one list."""

    part: Part

    def query(self, vector: Float32[np.ndarray, " e"], n: int, probes: int) -> Found:
        """The n largest inner products of the `probes` lists that promise most, and of more where these are too few."""
        n, lists = min(n, self.part.record.rows), self.part.record.lists
        while probes < lists:
            positions, products = self.search(vector[None], n, probes)
            if (positions >= 0).all():
                return positions[0], products[0]
            probes *= 4
        return self._largest(torch.from_numpy(vector), n)

    def search(
        self, queries: Float32[np.ndarray, "q e"], n: int, probes: int
    ) -> tuple[Int64[np.ndarray, "q n"], Float32[np.ndarray, "q n"]]:
        """Positions, -1 for none, and inner products of several questions."""
        faiss = require("faiss", "faiss")
        products, positions = self._index.search(queries, n, params=faiss.SearchParametersIVF(nprobe=probes))
        return positions, products

    def _largest(self, vector: Float32[Tensor, " e"], n: int) -> Found:
        """The n largest inner products of all vectors."""
        lists = [self.part.list_of(number) for number in range(self.part.record.lists)]
        best = torch.cat([torch.from_numpy(vectors) @ vector for _, vectors in lists]).topk(n)
        return np.concatenate([positions for positions, _ in lists])[best.indices.numpy()], best.values.numpy()

    @cached_property
    def _index(self) -> Any:
        """An index of faiss whose lists are those of the file."""
        faiss, part = require("faiss", "faiss"), self.part
        width = part.means.shape[1]
        quantizer = faiss.IndexFlatIP(width)
        quantizer.add(part.means)
        places = faiss.OnDiskOneListVector()
        for size, offset in zip(part.sizes.tolist(), part.offsets.tolist(), strict=True):
            place = faiss.OnDiskOneList()
            place.size, place.capacity, place.offset = size, size + size % 2, offset
            places.push_back(place)
        lists = faiss.OnDiskInvertedLists()
        lists.nlist, lists.code_size, lists.lists = len(part.sizes), 4 * width, places
        lists.filename, lists.totsize, lists.read_only = str(part.path), len(part.content), True
        lists.prefetch_nthread = 0  # it would start 32 threads a question
        lists.do_mmap()
        index = faiss.IndexIVFFlat(quantizer, width, len(part.sizes), faiss.METRIC_INNER_PRODUCT)
        index.replace_invlists(lists)
        index.ntotal = part.record.rows
        self.__dict__["_kept"] = quantizer, lists  # faiss only points to them
        return index


def batches(
    parts: Sequence[Part], without: Int64[np.ndarray, " w"] = NONE
) -> Iterator[tuple[Part, Int64[np.ndarray, " n"], Rows]]:
    """All rows of all parts but some: of each batch its part, the number of each row's list, and the rows."""
    for part in parts:
        for lists, (positions, vectors) in part.batches(BATCH):
            keep = ~np.isin(positions, without)
            if keep.any():
                yield part, lists[keep], (positions[keep], vectors[keep])


def learn(parts: Sequence[Part], lists: int) -> Float32[np.ndarray, "l b"]:
    """Where lists are: centres of k-means of a sample, of all numbers but the last."""
    faiss = require("faiss", "faiss")
    total = sum(part.record.rows for part in parts)
    step = max(total // (lists * _SAMPLE), 1)
    sample = np.concatenate([rows[1][::step, :-1] for _, _, rows in batches(parts)])
    means = faiss.Kmeans(
        sample.shape[1], lists, niter=_ROUNDS, seed=0, min_points_per_centroid=1, max_points_per_centroid=2 * _SAMPLE
    )
    means.train(sample)
    centres: np.ndarray = means.centroids
    return centres


def write_lists(
    folder: Path,
    file: str,
    parts: Sequence[Part],
    centres: Float32[np.ndarray, "l b"],
    kept: Part | None = None,
    without: Int64[np.ndarray, " w"] = NONE,
) -> PartRecord:
    """Put the rows of all parts, but some, into the lists of the nearest centres; those of `kept` stay in their own."""
    faiss = require("faiss", "faiss")
    nearest = faiss.IndexFlatL2(centres.shape[1])
    nearest.add(np.ascontiguousarray(centres))
    width, number = centres.shape[1] + 1, []
    sums = torch.zeros(len(centres), width, dtype=torch.float64)
    first, last = [], []
    for part, lists, (positions, vectors) in batches(parts, without):
        own = lists if part is kept else nearest.search(np.ascontiguousarray(vectors[:, :-1]), 1)[1][:, 0]
        number.append(own.astype(np.int32))
        sums.index_add_(0, torch.from_numpy(own), torch.from_numpy(vectors).double())
        first.append(positions.min())
        last.append(positions.max())
    sizes = np.bincount(np.concatenate(number), minlength=len(centres)).astype(np.int64)
    means = (sums.numpy() / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    means[sizes == 0, -1] = _NEVER
    checksum = 0

    def write(temporary: Path) -> None:
        nonlocal checksum
        with temporary.open("w+b") as stream:
            writer = PartWriter(stream, sizes, width)
            checksum = writer.head(means)
            for own, (_, _, rows) in zip(number, batches(parts, without), strict=True):
                writer.put(own.astype(np.int64), rows)

    write_whole(folder / file, write)
    return PartRecord(
        file=file, rows=sizes.sum(), lists=len(centres), first=min(first), last=max(last), checksum=checksum
    )


def probes_for(
    lists: Lists, queries: Float32[np.ndarray, "q e"], recall: float, counts: Sequence[int]
) -> list[tuple[int, int]]:
    """Of each of `counts`, ascending, how few lists have the share `recall` of so many of the largest products."""
    most = len(lists.part.sizes)
    truth, probes = _largest(lists.part, queries, counts[-1]), []
    for n in counts:
        least = truth[:, n - 1 : n]
        least = least - 1e-5 * (1 + np.abs(least))  # products of other shapes round otherwise
        low, high = 0, 1  # `low` are too few
        while high < most and _found(lists, queries, n, high, least) < recall:
            low, high = high, min(2 * high, most)
        while high - low > max(low // 8, 1):
            middle = (low + high) // 2
            enough = _found(lists, queries, n, middle, least) >= recall
            low, high = (low, middle) if enough else (middle, high)
        probes.append((n, high))
    return probes


def _found(
    lists: Lists, queries: Float32[np.ndarray, "q e"], n: int, probes: int, least: Float32[np.ndarray, "q 1"]
) -> float:
    return float((lists.search(queries, n, probes)[1] >= least).mean())


def _largest(part: Part, queries: Float32[np.ndarray, "q e"], n: int) -> Float32[np.ndarray, "q n"]:
    """The n largest inner products of each question, by all of them."""
    asked = torch.from_numpy(queries)
    top = torch.full((len(queries), n), -torch.inf)
    for _, (_, vectors) in part.batches(BATCH // 4):
        products = asked @ torch.from_numpy(vectors).T
        top = torch.cat([top, products.topk(min(n, products.shape[1])).values], 1).topk(n).values
    largest: np.ndarray = top.numpy()
    return largest
