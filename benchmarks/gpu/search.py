"""Search of ten million rows that lie on the device: a product and the best of each query, over bare reading."""

import torch
from torch import Tensor

from benchmarks.gpu.part import Row, Where, apart, must, near

NEEDS: tuple[str, ...] = ()
SECONDS = 60
WIDTH, TOP = 128, 10
CHUNK = 1 << 20


def best(rows: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """The TOP rows with the largest inner products with each query (values and positions, q x TOP), part by part."""
    kept: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        values, places = (queries @ part.T).topk(min(TOP, len(part)), dim=1)
        kept.append((values.float(), places + start))
    values, places = (torch.cat(parts, 1) for parts in zip(*kept, strict=True))
    top, order = values.topk(TOP, dim=1)
    return top, places.gather(1, order)


def rows(where: Where) -> list[Row]:
    """In float32 and in bf16, one query and sixteen."""
    count = where.size(10_000_000, 20_000)
    generator = torch.Generator(where.device).manual_seed(0)
    kept = torch.randn(count, WIDTH, generator=generator, device=where.device)
    planted = torch.randperm(count, generator=generator, device=where.device)[:16]
    queries = kept[planted].clone()  # nothing that is drawn is as near as the row itself
    found: list[Row] = []
    for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        own, asked = kept.to(dtype), queries.to(dtype)
        reading = where.seconds(lambda own=own: own.sum())
        sure = torch.equal(best(own, asked)[1][:, 0], planted)
        found.append(must(f"{name}: each of 16 rows finds itself among {count:,}", sure))
        if dtype == torch.float32:
            part = kept[: min(count, 100_000)]
            there, here = best(part, queries)[0], best(part.cpu(), queries.cpu())[0]
            found.append(near("float32: the ten best products against the CPU's", apart(there, here), 1e-5))
        for many in (1, 16):
            spent = where.seconds(lambda own=own, asked=asked, many=many: best(own, asked[:many]))
            name_of_row = f"{name}: ms a query, {many} at a time, of {count:,} rows of {WIDTH}"
            text = f"{1000 * spent / many:.2f} ({spent / reading:.1f} × reading them once)"
            found.append(where.timed(name_of_row, text))
    return found
