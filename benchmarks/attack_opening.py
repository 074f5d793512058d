"""Attacks by files that others made: trees of features, class vectors, runs, presets and cards."""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from avgzsl.data.reading.class_lists import write_class_lists
from avgzsl.data.reading.feature_files import IDS, ROWS, write_features
from avgzsl.experiments.train_evaluate import train
from benchmarks.attack import CANARY, Outcome, command_held

SEED = 0
CLASSES = {"dog": True, "cat": True, "pig": False}
ROWS_OF_CLASS = 6
DEEP = 200_000
FLIPS = 60  # tries by bits turned over, of each kind of file
Draw = np.random.Generator


def attacks(work: Path) -> Iterator[Outcome]:
    """Every kind, one after the other."""
    torch.set_num_threads(1)  # threads do not outlive a fork
    os.environ["AVGZSL_CACHE"] = str(work / "cache")
    home = work / "home"
    home.mkdir()
    (home / "secret.csv").write_bytes(CANARY + b",1.0,2.0\n")
    tree = write_tree(work / "tree", np.random.default_rng(SEED))
    run = train(tree, "least-squares", out=work / "run", device="cpu").folder
    for attack in (hdf5, pickles, flipped, strange_files, configs, specs, yamls):
        yield attack(work, home, tree, run)


def write_tree(root: Path, draw: Draw) -> Path:
    """Features of three classes, in the layout of AudioSetZSL."""
    for modality, size in (("audio", 6), ("video", 4)):
        for stage in ("trn", "val", "tst"):
            for name in CLASSES:
                rows = draw.standard_normal((ROWS_OF_CLASS, size)).astype(np.float32)
                ids = np.array([f"{name}-{stage}-{row}" for row in range(ROWS_OF_CLASS)])
                write_features(root / "features" / modality / stage / f"{name}.h5", rows, ids)
    (root / "features" / "text").mkdir()
    vectors = {name: draw.standard_normal(5).astype(np.float32) for name in CLASSES}
    np.save(root / "features" / "text" / "word_embeddings-dict.npy", np.array(vectors, dtype=object))
    write_class_lists(root / "class-split", CLASSES)
    return root


class Tries:
    """Counts; each try gets fresh copies of the tree and the run, and a folder to write to."""

    def __init__(self, kind: str, work: Path, home: Path, tree: Path, run: Path) -> None:
        self.kind, self.work, self.home, self.tree, self.run = kind, work, home, tree, run
        self.tries = self.held = 0

    def __call__(self, spoil: Callable[[Path, Path], object], *command: str) -> None:
        """`spoil` the copies of tree and run, then run the command, in which TREE, RUN and OUT stand for folders."""
        place = self.work / "try"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.tree, place / "tree")
        shutil.copytree(self.run, place / "run")
        spoil(place / "tree", place / "run")
        stands = {"TREE": place / "tree", "RUN": place / "run", "OUT": place / "out"}
        words = [str(stands.get(word, word)) for word in command]
        self.tries += 1
        self.held += command_held(words, place / "out", [self.home, place / "tree", place / "run"])

    def outcome(self) -> Outcome:
        return Outcome(self.kind, self.tries, self.held)


def hdf5(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """What HDF5 can show that is not in the file."""
    tries = Tries("HDF5 that shows other files, or sizes that it does not hold", work, home, tree, run)
    secret = str(home / "secret.csv")
    with h5py.File(home / "other.h5", "w") as other:
        other[ROWS], other[IDS] = np.ones((ROWS_OF_CLASS, 6), "f4"), [CANARY] * ROWS_OF_CLASS

    def virtual(file: h5py.File, name: str) -> None:
        shape, kind = ((ROWS_OF_CLASS, 6), "f4") if name == ROWS else ((ROWS_OF_CLASS,), "S13")
        layout = h5py.VirtualLayout(shape, kind)
        layout[:] = h5py.VirtualSource(str(home / "other.h5"), name, shape)
        file.create_virtual_dataset(name, layout)

    def soft(file: h5py.File, name: str) -> None:
        file["door"] = h5py.ExternalLink(str(home / "other.h5"), "/")
        file[name] = h5py.SoftLink(f"/door/{name}")

    kinds: dict[str, Callable[[h5py.File, str], object]] = {
        "external link": lambda f, n: f.__setitem__(n, h5py.ExternalLink(str(home / "other.h5"), n)),
        "external storage": lambda f, n: f.create_dataset(n, (2,), "S12", external=[(secret, 0, 24)]),
        "virtual": virtual,
        "soft link out": soft,
        "group": lambda f, n: f.create_group(n),
        "references": lambda f, n: f.create_dataset(n, data=np.array([f.ref] * 6, dtype=h5py.ref_dtype)),
        "never written": lambda f, n: f.create_dataset(n, (1 << 20, 4096), "f4"),
        "fill values": lambda f, n: f.create_dataset(n, (1 << 20, 4096), "f4", compression="gzip"),
        "many chunks": lambda f, n: f.create_dataset(n, (8192, 4096), "f4", chunks=(1, 1)),
    }
    for make in kinds.values():
        for name in (ROWS, IDS):

            def spoil(tree: Path, run: Path, make: Any = make, name: str = name) -> None:
                with h5py.File(tree / "features" / "audio" / "trn" / "dog.h5", "a") as file:
                    del file[name]
                    make(file, name)

            tries(spoil, "inspect", "TREE")
            tries(spoil, "train", "TREE", "--out", "OUT", "--method", "least-squares", "--device", "cpu")
    return tries.outcome()


def pickles(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """Instructions of pickles in any order, deep, many, or huge."""
    tries = Tries("pickled class vectors that run, nest or grow", work, home, tree, run)
    draw = np.random.default_rng(SEED)
    planted = f"open({str(home / 'planted')!r}, 'w')"
    parts = [
        b"N",
        b"(",
        b"t",
        b"]",
        b"}",
        b"a",
        b"s",
        b"u",
        b"l",
        b")",
        b"\x85",
        b"I1\n",
        b"Vf4\n",
        b"R",
        b"b",
        b"p0\n",
        b"g0\n",
        b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\n_reconstruct\n",
        b"c_codecs\nencode\n",
        b"cbuiltins\neval\n",
        b"S" + repr(planted).encode() + b"\n",
        b"\x93",
        b"\x94",
        b"o",
        b"i",
        b"\x81",
    ]
    bodies = [b"".join(parts[n] for n in draw.integers(len(parts), size=20).tolist()) + b"." for _ in range(FLIPS)]
    deep = b")" + b"\x85" * DEEP
    bodies += [
        b"cbuiltins\neval\n(V" + planted.encode() + b"\ntR.",
        b"}" + deep + b"I1\ns.",
        b"}(" + deep + b"I1\nu.",
        b"]" * 4_000_000 + b"a" * 3_999_999 + b".",
        b"}Vdog\n(I1\nL" + b"9" * 3000 + b"L\nls.",
        b"Nr\xff\xff\xff\x7f.",
        pickle.dumps(np.array({"dog": np.ones(5)}, dtype=object)) + b"x",
    ]
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': ()}".ljust(117) + b"\n"
    for body in bodies:
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body
        tries(lambda tree, run, content=content: _vectors(tree).write_bytes(content), "inspect", "TREE")
    return tries.outcome()


def flipped(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """Bits turned over in the files that libraries read."""
    tries = Tries("bits turned over in features, class vectors, models and configs", work, home, tree, run)
    draw = np.random.default_rng(SEED)
    places: tuple[tuple[Callable[[Path, Path], Path], list[str]], ...] = (
        (lambda tree, run: tree / "features" / "audio" / "tst" / "dog.h5", ["inspect", "TREE"]),
        (lambda tree, run: _vectors(tree), ["inspect", "TREE"]),
        *(
            (lambda tree, run, name=name: run / f"{name}", ["pack", "RUN", "--out", "OUT"])
            for name in ("model.safetensors", "classes.safetensors", "config.json")
        ),
    )
    for place, command in places:
        for _ in range(FLIPS):

            def spoil(tree: Path, run: Path, place: Any = place) -> None:
                content = bytearray(place(tree, run).read_bytes())
                for at in draw.integers(min(len(content), 4096), size=int(draw.integers(1, 9))).tolist():
                    content[at] ^= 1 << int(draw.integers(8))
                place(tree, run).write_bytes(content)

            tries(spoil, *command)
    return tries.outcome()


def strange_files(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """A pipe, a device, a folder, holes or a link in place of each file."""
    tries = Tries("pipes, devices, folders, holes and links in place of a file", work, home, tree, run)

    def holes(path: Path) -> None:
        with path.open("wb") as stream:
            stream.write(b"\x93NUMPY")
            stream.truncate(16 << 30)

    makes: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        os.mkdir,
        holes,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(home / "secret.csv"),
    )
    files = [path.relative_to(run) for path in run.iterdir()] + [Path("results.json")]
    for make in makes:
        for name in files:

            def spoil(tree: Path, run: Path, make: Any = make, name: Path = name) -> None:
                (run / name).unlink(missing_ok=True)
                make(run / name)

            tries(spoil, "evaluate", "RUN", "--data", "TREE", "--out", "OUT")
            tries(spoil, "pack", "RUN", "--out", "OUT")
        lists = [Path("class-split", f"{kind}_class.txt") for kind in ("all", "seen", "unseen")]
        for name in (*lists, Path("features/audio/trn/dog.h5"), Path("features/text/word_embeddings-dict.npy")):

            def spoil_tree(tree: Path, run: Path, make: Any = make, name: Path = name) -> None:
                (tree / name).unlink()
                make(tree / name)

            tries(spoil_tree, "inspect", "TREE")
    return tries.outcome()


def configs(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """Settings, dimensions and nesting that no model has."""
    tries = Tries("configs of runs with absurd sizes, numbers or nesting", work, home, tree, run)
    texts = ["[" * DEEP, '{"a":' * DEEP, "9" * 5000, '"\\ud800"', "[" * 100 + "]" * 100, "null", "NaN", ""]
    values: list[Any] = [
        1e30,
        10**18,
        10**9,
        2**62,
        -1,
        0,
        "x",
        None,
        [],
        {},
        [[]] * 9,
        True,
        "\u202e\x1b[31m",
        10**300,
    ]
    paths = [
        "settings.ridge",
        "seed",
        "device",
        "method",
        "format",
        "data.layout",
        "data.class_split",
        "data.seen",
        "data.dimensions.text",
        "data.dimensions.audio",
        "data.encoders",
        "versions",
        "data.text_order",
    ]
    for text in texts:
        tries(lambda tree, run, text=text: (run / "config.json").write_text(text), "pack", "RUN", "--out", "OUT")
    for path in paths:
        for value in values:

            def spoil(tree: Path, run: Path, path: str = path, value: Any = value) -> None:
                _edit(run, path, value)

            command = ["evaluate", "RUN", "--data", "TREE"] if path.startswith("data.") else ["pack", "RUN"]
            tries(spoil, *command, "--out", "OUT")
    return tries.outcome()


def specs(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """Encoders that are files of this machine."""
    tries = Tries("runs that name files of this machine, to be packed or opened", work, home, tree, run)
    secret = home / "secret.csv"
    known = {"name": "secret.csv", "sha256": sha256(secret.read_bytes()).hexdigest()}
    names = [secret, f"../../home/{secret.name}", home, "..", ".", "/etc/passwd", "/dev/zero", "/proc/self/environ"]
    forms = ("dict:{}", "words:{}", "sentence:{}", "clip:{}", "hashed-words:64,overrides={}", "{}.yaml")
    for name in names:
        for form in forms:
            for weights in ([], [known], [{**known, "name": "../../planted"}], [{**known, "name": "/tmp/planted"}]):
                encoder = {"spec": form.format(name), "weights": weights}

                def spoil(tree: Path, run: Path, encoder: Any = encoder) -> None:
                    _edit(run, "data.encoders", {"text": encoder, "audio": encoder})
                    _edit(run, "data.text", [])

                tries(spoil, "pack", "RUN", "--out", "OUT", "--with-weights")
    return tries.outcome()


def yamls(work: Path, home: Path, tree: Path, run: Path) -> Outcome:
    """Presets that nest, refer to themselves or run something."""
    tries = Tries("presets with aliases, nesting, numbers or code", work, home, tree, run)
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    texts = [
        laughs,
        "[" * 60_000,
        "- " * 30_000,
        "? " * 30_000,
        "&a [*a]",
        "lr: 0x" + "f" * 5000,
        "lr: " + "9" * 5000,
        f"lr: !!python/object/apply:os.mknod ['{home}/planted']",
        "ridge: .nan",
        "ridge: 1e400",
        "1: 2",
        "",
        "\x00",
        "lr: 2001-99-99",
        "x" * (1 << 20),
    ]
    for text in texts:
        preset = ["--preset", str(work / "preset.yaml")]
        (work / "preset.yaml").write_text(text)
        for method in ("least-squares", "avgzslnet"):
            command = ["train", "TREE", "--out", "OUT", "--method", method, "--device", "cpu", *preset]
            tries(lambda tree, run: None, *command)
    return tries.outcome()


def _vectors(tree: Path) -> Path:
    return tree / "features" / "text" / "word_embeddings-dict.npy"


def _edit(run: Path, path: str, value: Any) -> None:
    config = json.loads((run / "config.json").read_text())
    *above, last = path.split(".")
    place = config
    for part in above:
        place = place[part]
    place[last] = value
    (run / "config.json").write_text(json.dumps(config))
