"""Variables of the environment: those of the server from its settings, the others from the list below.

A test compares the list with the names that the code reads.
"""

import inspect
import re

from avgzsl.server.settings import PREFIX, Settings

OTHERS = {
    "AVGZSL_MODELS": "Folder of weights: `avgzsl fetch` fills it, and every command looks there.",
    "AVGZSL_CACHE": "Folder of what may be deleted at any time: features as they were read, indexes of `avgzsl open`, "
    "vectors of everyday phrases.",
    "AVGZSL_STATE": "Folder of what the package notes of this machine: folders whose files may be shown, servers "
    "that run.",
    "AVGZSL_ENGINE_URL": "Where the engine of an index is, if `--url` does not say it.",
    "AVGZSL_SHARD_SECONDS": "Seconds that a shard of the engine `sharded` may take for an answer.",
    "AVGZSL_SHARD_WAIT": "Seconds that a shard which did not answer is left alone.",
    "AVGZSL_DESCRIBE_URL": "Address of a model behind the OpenAI chat protocol, which `avgzsl describe` asks.",
    "AVGZSL_DESCRIBE_MODEL": "Name of that model.",
    "AVGZSL_DESCRIBE_KEY": "Key for that model.",
    "AVGZSL_RAY_PATIENCE": "Seconds without an answer after which `extract --engine ray` ends.",
    "AVGZSL_SERVE_…": "Settings of `avgzsl serve` and `avgzsl open`: the table below.",
    "HF_HUB_OFFLINE": "1: nothing is fetched, and it is said which file to put where. So does `TRANSFORMERS_OFFLINE`.",
    "HF_TOKEN": "Token for weights whose host asks for an account.",
    "QDRANT_API_KEY": "Key of a Qdrant server.",
    "MILVUS_TOKEN": "Token of a Milvus server, or `user:password`.",
    "PGUSER, PGPASSWORD, PGPASSFILE, PGSERVICE, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY": "How to log in to "
    "PostgreSQL, as its own programs read them; also PGCONNECT_TIMEOUT, PGTARGETSESSIONATTRS, PGREQUIREAUTH and "
    "PGOPTIONS.",
    "RAY_ADDRESS": "Head of the Ray cluster.",
    "FORWARDED_ALLOW_IPS": "Proxies of other machines that are believed (uvicorn).",
}


def environment() -> str:
    """Two tables."""
    others = [(_code(name), text) for name, text in OTHERS.items()]
    server = [
        (f"`{PREFIX}{name.upper()}`", "none" if field.default in (None, ()) else f"`{field.default}`", texts()[name])
        for name, field in Settings.model_fields.items()
    ]
    return f"{_table(('variable', 'what it says'), others)}\n\n## Of the server\n\n" + _table(
        ("variable", "default", "what it says"), server
    )


def texts() -> dict[str, str]:
    """What the docstring of each setting of the server says, on one line."""
    found = re.findall(r'^    (\w+): .*?\n    """(.*?)"""$', inspect.getsource(Settings), re.M | re.S)
    return {name: " ".join(text.split()) for name, text in found}


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + [f"| {' | '.join(r)} |" for r in rows]
    )
