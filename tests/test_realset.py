"""On real features, where they lie beside the project."""

import pytest

from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import class_splits, open_dataset
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.learning.training import Job
from avgzsl.methods import build

BOTH = Mode("both", "equal")


def test_it_reads_as_described(realset):
    found = inspect(realset).json()
    assert found["problems"] == []
    assert {modality: about["dimension"] for modality, about in found["modalities"].items()} == {
        "audio": 1024,
        "video": 1280,
    }
    assert sum(sum(counts.values()) for counts in found["clips"].values()) == 1344
    assert class_splits(realset) == ["class-split", *(f"class-split-{i}" for i in range(1, 5))]


@pytest.mark.parametrize("method", ["avgzslnet", "least-squares"])
def test_it_is_learned_from(realset, method):
    data = open_dataset(realset, class_split="class-split-2")
    model = build(method, "realset" if method == "avgzslnet" else None).fit(*data.training(), Job())
    numbers = choose_numbers([gallery_of(model, data.split("val"), data.classes)], [BOTH])
    found = gallery_of(model, data.split("test"), data.classes).measure([BOTH], numbers)[0].classification
    assert found.S > 0.6
    assert found.ZSL > 2 / 7
