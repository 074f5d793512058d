"""Descriptions a class as text of the AVCA benchmark's classes, in KDA's form too, whatever name the table has."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from avgzsl.data.layouts import open_dataset
from avgzsl.data.layouts._avca_text import other_names
from avgzsl.data.reading.avca_lists import manual_names
from avgzsl.data.reading.class_lists import read_names
from avgzsl.errors import DataError
from avgzsl.text.descriptions import read_descriptions
from avgzsl.text.encoders import load
from tests.small_avca import MANUAL, write_avca
from tests.small_pickles import CLIP, write_clipclap

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
COLUMNS = ("name", "description_1", "description_2", "description_3")
ENCODER = "hashed-words:64"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))


def write_table(path: Path, names: list[str]) -> Path:
    lines = [f'{name},knowledge of {name},"look, of {name}",sound of {name}\n' for name in names]
    path.write_text(",".join(COLUMNS) + "\n" + "".join(lines))
    return path


@pytest.mark.parametrize("called", ["original", "manual", "clip"])
@pytest.mark.parametrize("with_name", [False, True])
def test_a_class_is_the_mean_of_its_texts(tmp_path: Path, called: str, with_name: bool) -> None:
    root = write_avca(tmp_path / "set", ("cls",)) if called != "clip" else write_clipclap(tmp_path / "set")
    names = {"original": {name: name for name in MANUAL}, "manual": MANUAL, "clip": CLIP}[called]
    table = write_table(tmp_path / "d.csv", list(names.values()))
    spec = f"{ENCODER}+descriptions={table}" + (f":{','.join(COLUMNS)}" if with_name else "")
    dataset = open_dataset(root, text=[spec])
    (part,) = dataset.classes.parts
    assert part.descriptions is not None and part.descriptions.columns == (COLUMNS if with_name else COLUMNS[1:])
    encoder = load(ENCODER)
    for label, name in enumerate(dataset.classes.names):
        key = names[name]
        texts = [f"knowledge of {key}", f"look, of {key}", f"sound of {key}"]
        rows = normalize(encoder.encode_sentences([key, *texts] if with_name else texts).double(), dim=1)
        assert torch.allclose(dataset.classes.text[label], normalize(rows.mean(0), dim=0).float(), atol=1e-6)


def test_classes_without_a_row_are_named(tmp_path: Path) -> None:
    root = write_avca(tmp_path / "set", ("cls",))
    table = write_table(tmp_path / "d.csv", [MANUAL[name] for name in MANUAL if name not in ("Play", "Zebra")])
    with pytest.raises(DataError, match=r"no sentence for 2 of 8 classes: 'Play', 'Zebra'"):
        open_dataset(root, text=[f"{ENCODER}+descriptions={table}"])


@pytest.mark.skipif(not (PUBLISHED / "descriptions").is_dir(), reason="needs ../shared/data/benchmarks/descriptions")
@pytest.mark.parametrize(("name", "count"), [("UCF", 101), ("ActivityNet", 200), ("VGGSound", 309)])
def test_every_class_of_the_benchmarks_has_its_own_descriptions(name: str, count: int) -> None:
    """They stand under the manual names, which differ from the original ones for 3, 0 and 23 classes."""
    folder = PUBLISHED / name / "class-split"
    classes, manual = read_names(folder / "all_class.txt"), manual_names(folder)
    table = read_descriptions(PUBLISHED / "descriptions" / f"{name}.csv")
    found = table.known_as(other_names(folder, classes)).of(classes)
    assert len(found) == len(set(found.values())) == count
    assert all(found[one] == table.find([manual[one]])[manual[one]] for one in classes)
    assert all(len(sentences) == 3 for sentences in found.values())
