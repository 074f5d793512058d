"""What every layout keeps to."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import PLUGINS, Layout, class_splits, find_layout, open_dataset
from avgzsl.errors import AvgzslError, DataError, UnknownNameError
from avgzsl.testing.plugin_check import check_plugin
from avgzsl.types import MODALITIES, DataChoice

_SPLITS = {"train", "val", "test"}


class LayoutSuite:
    """Give `name`, the layout's, and `write`; with `spoil`, bad rows are tested, too."""

    name: str

    def write(self, folder: Path) -> None:
        """Write a small data set in the layout into the empty `folder`, with two seen classes or more."""
        raise NotImplementedError(f"{type(self).__name__}: override write(folder), which writes a small data set")

    def spoil(self, folder: Path) -> None:
        """Make a feature of one training clip in a folder of `write` NaN, without another clip of its class going."""
        pytest.skip("no spoil(folder) is given")

    @pytest.fixture
    def layout(self) -> Layout:
        layout: Layout = PLUGINS.load(self.name)
        return layout

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A data set as `write` writes it; what is kept of it between calls goes into a cache of this test's own."""
        monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
        folder = tmp_path / "data set"
        folder.mkdir()
        self.write(folder)
        return folder

    def test_it_keeps_the_contract_of_a_layout(self) -> None:
        layout = check_plugin(PLUGINS, self.name, Layout)
        assert self.name == layout.NAME
        assert layout.TEXT_ORDERS[0] == "right"

    def test_its_folders_are_recognised_by_it_alone(self, folder: Path, layout: Layout) -> None:
        assert find_layout(folder, None) == (folder, layout)

    def test_recognising_reads_no_file(self, folder: Path, layout: Layout) -> None:
        for file in _files(folder):
            file.write_bytes(b"")
        assert layout.recognise(folder) is True

    def test_recognising_other_folders_raises_nothing(self, folder: Path, layout: Layout, tmp_path: Path) -> None:
        for kind in ("empty", "files for folders", "folders for files", "links that lead nowhere"):
            (tmp_path / kind).mkdir()
        for entry in sorted(folder.rglob("*")):
            (tmp_path / "links that lead nowhere" / entry.name).unlink(missing_ok=True)
            (tmp_path / "links that lead nowhere" / entry.name).symlink_to(tmp_path / "nowhere")
            if entry.is_file():
                (tmp_path / "folders for files" / entry.relative_to(folder)).mkdir(parents=True)
            elif entry.parent == folder:
                (tmp_path / "files for folders" / entry.name).write_text("")
        assert layout.recognise(tmp_path / "empty") is False
        for other in tmp_path.iterdir():
            assert layout.recognise(other) in (True, False)

    def test_every_class_split_is_a_data_set_to_train_on(self, folder: Path, layout: Layout) -> None:
        names = class_splits(folder)
        assert names and len(set(names)) == len(names)
        for name in names:
            dataset = layout.read(folder, DataChoice(class_split=name))
            assert (dataset.layout, dataset.class_split) == (self.name, name)
            assert dataset.source == str(folder.resolve())
            _check(dataset)
        assert open_dataset(folder).class_split in names

    def test_read_twice_it_is_the_same_and_the_folder_is_left_alone(self, folder: Path, layout: Layout) -> None:
        before = {file: file.read_bytes() for file in _files(folder)}
        first, second = (layout.read(folder, DataChoice()) for _ in range(2))
        assert first.fingerprint == second.fingerprint
        assert {split: clips.ids.tolist() for split, clips in first.splits.items()} == {
            split: clips.ids.tolist() for split, clips in second.splits.items()
        }
        inspect(folder)
        assert {file: file.read_bytes() for file in _files(folder)} == before

    def test_each_text_order_can_be_read(self, folder: Path, layout: Layout) -> None:
        for order in layout.TEXT_ORDERS:
            _check(layout.read(folder, DataChoice(text_order=order)))

    def test_a_class_split_that_is_not_there_is_named(self, folder: Path, layout: Layout) -> None:
        with pytest.raises(UnknownNameError, match="no-such-split"):
            layout.read(folder, DataChoice(class_split="no-such-split"))

    def test_a_folder_of_another_kind_is_refused(self, tmp_path: Path, layout: Layout) -> None:
        other = tmp_path / "other"
        other.mkdir()
        with pytest.raises(AvgzslError, match="other"):
            layout.read(other, DataChoice())

    def test_a_whole_folder_is_inspected_without_problems(self, folder: Path) -> None:
        inspection = json.loads(json.dumps(inspect(folder).json()))
        assert inspection["problems"] == []
        assert (inspection["path"], inspection["layout"]) == (str(folder), self.name)
        for name in class_splits(folder):
            classes = open_dataset(folder, class_split=name).classes
            of_split = inspection["class_splits"][name]
            assert sorted([*of_split["seen"], *of_split["unseen"]]) == sorted(classes.names)

    def test_damage_is_an_error_of_this_package(self, folder: Path, layout: Layout) -> None:
        """A file of each kind is emptied, cut, and gone: what is left is read or refused."""
        kinds = {(file.suffix, len(file.parts)): file for file in _files(folder)}
        for file in kinds.values():
            whole = file.read_bytes()
            for left in (b"", whole[: len(whole) // 2], None):
                file.unlink() if left is None else file.write_bytes(left)
                for attempt in (lambda: _check(layout.read(folder, DataChoice())), lambda: layout.inspect(folder)):
                    with suppress(AvgzslError):
                        attempt()
                file.write_bytes(whole)

    def test_bad_rows_are_refused_or_dropped_and_told(self, folder: Path, layout: Layout) -> None:
        whole = layout.read(folder, DataChoice())
        clips = len(whole.split("train"))
        self.spoil(folder)
        with pytest.raises(DataError):
            layout.read(folder, DataChoice())
        dropped = layout.read(folder, DataChoice(drop_bad_rows=True))
        _check(dropped)
        assert len(dropped.split("train")) == clips - 1
        assert set(dropped.notes) > set(whole.notes)


def _check(dataset: Dataset) -> None:
    """Each seen class has clips to train on; each clip is one, has a modality, and is finite."""
    classes = dataset.classes
    assert set(dataset.splits) <= _SPLITS
    assert set(classes.seen.nonzero().squeeze(1).tolist()) <= set(dataset.split("train").labels.tolist())
    for clips in dataset.splits.values():
        assert len(set(clips.ids.tolist())) == len(clips)
        assert ((clips.labels >= 0) & (clips.labels < len(classes))).all()
        assert (clips.has_audio | clips.has_video).all()
        for modality in MODALITIES:
            feature = clips.feature(modality)
            if feature is not None:
                assert feature.dtype == torch.float32
                assert feature[clips.has(modality)].isfinite().all()
    train, seen = dataset.training()
    assert len(seen) >= 2 and len(train) >= len(seen)


def _files(folder: Path) -> Iterator[Path]:
    return (Path(place) / name for place, _, names in sorted(os.walk(folder)) for name in sorted(names))
