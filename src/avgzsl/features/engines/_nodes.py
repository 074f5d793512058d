"""The nodes of a Ray cluster: which live, whether each has the files of an extraction, how long they are waited for."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avgzsl.errors import AvgzslError, ConfigError, DataError
from avgzsl.support.lacking import lacking_files

PATIENCE = "AVGZSL_RAY_PATIENCE"
GOES_ON = "what is finished is kept, and the same command goes on"
_SECONDS = 600.0  # without an answer, where PATIENCE says nothing
_CONNECT = 10.0  # seconds for the head to take a connection
_LOOK = 60.0  # seconds for each node to look for the files; an actor looks again before its first batch


def patience() -> float:
    """Seconds without an answer after which an extraction ends. Raises ConfigError for what is no such number."""
    given = os.environ.get(PATIENCE)
    try:
        seconds = _SECONDS if given is None else float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{PATIENCE}={given}: expected seconds, more than 0")
    return seconds


@contextmanager
def signals_heeded() -> Iterator[None]:
    """Inside Ray, what the handler of a signal raises becomes the cause of a SystemError: here it comes out again."""
    try:
        yield
    except SystemError as problem:
        raised = problem.__cause__
        if raised is None or isinstance(raised, Exception):
            raise
        raise raised from None


def check_reachable() -> None:
    """Raises AvgzslError unless something listens where RAY_ADDRESS leads: Ray itself tries that for many minutes."""
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # none, or a word that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT).close()
    except (OSError, OverflowError) as problem:
        raise unreachable(f"nothing answers at {address}: {problem}") from problem


def unreachable(why: str) -> AvgzslError:
    """The error for a cluster that cannot be connected."""
    return AvgzslError(
        f"the Ray cluster could not be reached ({why}). RAY_ADDRESS names it; RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH "
        "has the token that its nodes were started with; Python and Ray have the same versions everywhere; and one of "
        "its nodes runs on this machine"
    )


def check_nodes(ray: Any, files: Sequence[Path], resource: str) -> None:
    """Let every node with the resource look for the files.

    Raises DataError that names the nodes that lack some, ConfigError for one where avgzsl does not load.
    """
    look = ray.remote(num_cpus=0, max_retries=0)(lacking_files)
    pinned = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    calls = {
        look.options(scheduling_strategy=pinned(node["NodeID"], soft=False)).remote(list(files)): node
        for node in living(ray)
        if node["Resources"].get(resource, 0) >= 1
    }
    answered, _ = ray.wait(list(calls), num_returns=len(calls), timeout=_LOOK) if calls else ([], [])
    lacking: dict[str, list[Path]] = {}
    for call in answered:
        address = str(calls[call]["NodeManagerAddress"])
        try:
            lacking[address] = ray.get(call)
        except ray.exceptions.RayTaskError as problem:
            raise ConfigError(
                f"node {address} of the Ray cluster: avgzsl does not run there ({reason(problem)}); install the same "
                "version with the same extras on every node"
            ) from problem
        except ray.exceptions.RayError:
            continue  # it has died, or is dying
    if lacking := {address: missing for address, missing in lacking.items() if missing}:
        raise not_shared(lacking)


def not_shared(lacking: Mapping[str, Sequence[Path]]) -> DataError:
    """The error for files that are here, and not on all nodes."""
    nodes = "; ".join(f"node {address} lacks {', '.join(map(str, files))}" for address, files in lacking.items())
    return DataError(
        f"{nodes}: every node of the Ray cluster reads clips and weights under the path that they have where the "
        "extraction is started; mount that folder there, too, or copy it to the same path, or stop those nodes"
    )


def living(ray: Any) -> list[dict[str, Any]]:
    """The nodes that live, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def described(ray: Any) -> str:
    """The nodes that live, in words, with what they have; whatever state the cluster is in."""
    try:
        nodes = living(ray)
        free = ray.available_resources()
    except Exception as problem:  # the cluster does not answer
        return f"not known ({reason(problem)})"
    words = [f"{node['NodeManagerAddress']} ({_in_words(node['Resources'])})" for node in nodes]
    return f"{', '.join(words) or 'none'}; free: {_in_words(free)}"


def _in_words(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPU, {resources.get('GPU', 0):g} GPU"


def reason(problem: Exception) -> str:
    """The last line of what Ray says, which is the cause; its first ones are where it was met."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[-1] if lines else type(problem).__name__
