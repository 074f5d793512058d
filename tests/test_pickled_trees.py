"""Trees of TCaF and ClipClap: pickled features in the AVCA benchmark's layout, and two dicts of text."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from avgzsl.data.inspection.inspect import inspect
from avgzsl.data.layouts import class_splits, open_dataset
from avgzsl.data.layouts._avca_text import mislabelled, wrong_classes
from avgzsl.data.reading import cache as cache_module
from avgzsl.errors import DataError
from avgzsl.experiments.run_data import data_of
from avgzsl.experiments.train_evaluate import train
from avgzsl.types import DataChoice
from tests.small_avca import MANUAL, write_avca
from tests.small_pickles import CLIP, pickled, write_clipclap, write_pickles

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
needs_published = pytest.mark.skipif(not (PUBLISHED / "UCF").is_dir(), reason="needs ../shared/data/benchmarks")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AVGZSL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def file_of(root: Path, modality: str, stage: str, name: str, folder: str = "cls_features_non_averaged") -> Path:
    return root / "features" / folder / modality / stage / f"{name}.pkl"


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("suffix", ["_non_averaged", "_no_averaged"])
def test_pickled_clips_are_those_of_the_averaged_tree(tmp_path: Path, steps: bool, suffix: str) -> None:
    """Vectors are the same to the bit; the means of steps, to rounding."""
    averaged = open_dataset(write_avca(tmp_path / "averaged", ("main", "cls")))
    root = write_pickles(tmp_path / "pickled", steps=steps, suffix=suffix, sets=("main", "cls"))
    assert class_splits(root) == class_splits(tmp_path / "averaged")
    for name in class_splits(root):
        averaged = open_dataset(tmp_path / "averaged", class_split=name)
        dataset = open_dataset(root, class_split=name)
        assert dataset.layout == "avca" and dataset.notes == ()
        for split in averaged.splits:
            one, other = averaged.split(split), dataset.split(split)
            assert one.ids.tolist() == other.ids.tolist()
            assert torch.equal(one.labels, other.labels)
            for modality in ("audio", "video"):
                assert torch.allclose(one.feature(modality), other.feature(modality), atol=1e-6 if steps else 0, rtol=0)
        assert torch.equal(averaged.classes.text, dataset.classes.text)
        assert (dataset.fingerprint == averaged.fingerprint) == (not steps)


def test_audio_and_video_are_paired_by_their_names(tmp_path: Path) -> None:
    root = write_pickles(tmp_path / "set", steps=True)
    before = open_dataset(root).split("train")
    path = file_of(root, "video", "stage_1_train", "Archery")
    content = pickle.loads(path.read_bytes())  # noqa: S301 (our own)
    pickled(path, content["features"][::-1], [name.decode() for name in content["video_names"][::-1]])
    dataset = open_dataset(root)
    assert torch.equal(dataset.split("train").video, before.video)
    assert "brought the rows of video into the order of the audio ids" in " ".join(dataset.notes)
    pickled(path, content["features"], [f"other-{name.decode()}" for name in content["video_names"]])
    with pytest.raises(DataError, match=r"Archery\.pkl: . ids that .*Archery\.pkl lacks"):
        open_dataset(root)


def test_the_cache_serves_again_and_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_pickles(tmp_path / "set", steps=True)
    first = open_dataset(root)
    with monkeypatch.context() as patched:
        patched.setattr(cache_module, "_build", lambda *_: pytest.fail("built again"))
        assert open_dataset(root).fingerprint == first.fingerprint
    path = file_of(root, "audio", "stage_1_train", "Archery")
    content = pickle.loads(path.read_bytes())  # noqa: S301 (our own)
    pickled(path, [rows + 1 for rows in content["features"]], [name.decode() for name in content["video_names"]])
    assert open_dataset(root).fingerprint != first.fingerprint


def test_files_without_clips_and_clips_without_steps(tmp_path: Path) -> None:
    root = write_pickles(tmp_path / "set", steps=True)
    for modality in ("audio", "video"):
        pickled(file_of(root, modality, "stage_2_test_unseen", "PlayDrum"), [], [])
    dataset = open_dataset(root)
    assert "no clips in: stage_2_test_unseen/PlayDrum" in dataset.notes
    clips = len(dataset.split("train"))
    path = file_of(root, "video", "stage_1_train", "Archery")
    content = pickle.loads(path.read_bytes())  # noqa: S301 (our own)
    ids = [name.decode() for name in content["video_names"]]
    pickled(path, [np.zeros((0, 7), np.float32), *content["features"][1:]], ids)
    with pytest.raises(DataError, match="NaN or infinite values in 1 of"):
        open_dataset(root)
    assert len(open_dataset(root, drop_bad_rows=True).split("train")) == clips - 1


def test_files_that_do_not_say_which_clip_is_which(tmp_path: Path) -> None:
    root = write_pickles(tmp_path / "set", steps=False)
    for modality in ("audio", "video"):
        path = file_of(root, modality, "stage_1_train", "Archery")
        content = pickle.loads(path.read_bytes())  # noqa: S301 (our own)
        pickled(path, content["features"], [*(name.decode() for name in content["video_names"]), "left-out"])
        content["fps"] = None
        path.write_bytes(pickle.dumps({**content, "video_names": [*content["video_names"], b"left-out"]}))
    assert "Archery/stage_1_train/0" in open_dataset(root).split("train").ids.tolist()
    report = inspect(root)
    assert report.problems == []
    assert any("2 files do not say which clip is which" in remark for remark in report.remarks)


def test_inspect_tells_what_is_there_and_what_is_wrong(tmp_path: Path) -> None:
    root = write_clipclap(tmp_path / "set")
    report = inspect(root)
    assert report.problems == []
    assert {name: about["dimension"] for name, about in report.modalities.items()} == {"audio": 4, "video": 7}
    assert [(about["file"], about["dimension"]) for about in report.text] == [
        ("word_embeddings_tiny_normed.npy", 3), ("wavcaps_word_embeddings_tiny_normed.npy", 4)
    ]  # fmt: skip
    assert any("gives none of 9 classes another class's vector" in remark for remark in report.remarks)
    file_of(root, "audio", "stage_1_train", "Archery").write_bytes(pickle.dumps({"features": [1.5]}))
    file_of(root, "video", "stage_1_train", "Zebra").unlink()
    problems = " ".join(inspect(root).problems)
    assert "clip 0 of 'features' is a float" in problems
    assert "no file for 'Zebra'" in problems
    with pytest.raises(DataError, match=r"Add the files \(CLASS\.pkl\)"):
        open_dataset(root)


def test_an_error_names_the_folder_that_exists(tmp_path: Path) -> None:
    root = write_pickles(tmp_path / "set", steps=False)
    features = root / "features"
    (features / "cls_features_non_averaged").rename(features / "averaged_not")
    with pytest.raises(DataError, match=r"no folder main_features.*found averaged_not"):
        open_dataset(root)
    (features / "averaged_not").rename(features / "cls_features_non_averaged")
    shutil.rmtree(features / "cls_features_non_averaged" / "text")
    with pytest.raises(DataError, match=r"cls_features_non_averaged/text: no \*word_embeddings"):
        open_dataset(root)


def test_text_may_lie_beside_all_features(tmp_path: Path) -> None:
    root = write_pickles(tmp_path / "set", steps=False)
    there = open_dataset(root).fingerprint
    shutil.move(root / "features" / "cls_features_non_averaged" / "text", root / "text")
    assert open_dataset(root).fingerprint == there
    assert inspect(root).problems == []


def test_a_second_folder_of_features_is_not_left_out_in_silence(tmp_path: Path) -> None:
    root = write_avca(tmp_path / "set", ("cls",))
    averaged = open_dataset(root)
    pickles = write_pickles(tmp_path / "other", steps=True) / "features" / "cls_features_non_averaged"
    shutil.copytree(pickles, root / "features" / pickles.name)
    dataset = open_dataset(root)
    assert dataset.fingerprint == averaged.fingerprint
    said = "features/cls_features_non_averaged was not read, for there is cls_features"
    assert any(said in note for note in dataset.notes) and any(said in remark for remark in inspect(root).remarks)


def vectors_of(root: Path, name: str) -> dict[str, np.ndarray]:
    path = root / "features" / "cls_features_non_averaged" / "text" / name
    return np.load(path, allow_pickle=True).item()


@pytest.mark.parametrize("order", ["right", "avca-published"])
def test_two_dicts_are_joined_by_the_names_of_clip(tmp_path: Path, order: str) -> None:
    """These names come in the order of the original ones, so both orders give each class its own vector."""
    root = write_clipclap(tmp_path / "set")
    dataset = open_dataset(root, text_order=order)
    clip, clap = (vectors_of(root, f"{kind}word_embeddings_tiny_normed.npy") for kind in ("", "wavcaps_"))
    for name, row in zip(dataset.classes.names, dataset.classes.text.numpy(), strict=True):
        assert np.array_equal(row, np.concatenate([clip[CLIP[name]], clap[CLIP[name]]]))
    assert [part.width for part in dataset.classes.parts] == [3, 4]
    assert any("text of two parts: word_embeddings_tiny_normed.npy (3), then wavcaps" in note for note in dataset.notes)
    assert mislabelled(root) == (0, 9)


def test_notes_on_the_text_of_the_data_go_where_other_text_takes_its_place(tmp_path: Path) -> None:
    root = write_clipclap(tmp_path / "set")
    for text, there in ((("own",), True), (("own", "hashed-words:64"), True), (("hashed-words:64",), False)):
        notes = " ".join(open_dataset(root, text=text, text_order="avca-published").notes)
        assert ("text of two parts" in notes) == ("published order" in notes) == there
    choice = DataChoice(text=("hashed-words:64",))
    run = train(root, "least-squares", out=tmp_path / "run", choice=choice)
    assert "text of two parts" not in " ".join(data_of(run).notes), "nor when its run is tested"


def test_each_dict_has_its_own_way_to_write_names(tmp_path: Path) -> None:
    """That of words keeps the manual names, though the csv of the others is there."""
    root = write_clipclap(tmp_path / "set")
    text = root / "features" / "cls_features_non_averaged" / "text" / "word_embeddings_tiny_normed.npy"
    words = {MANUAL[name]: vectors_of(root, text.name)[CLIP[name]] for name in MANUAL}
    joined = open_dataset(root).classes.text
    np.save(text, np.array(words, dtype=object))
    assert torch.equal(open_dataset(root).classes.text, joined)
    assert mislabelled(root)[0] > 1


def test_without_clip_names_both_dicts_have_the_manual_ones(tmp_path: Path) -> None:
    """As for ActivityNet and VGGSound."""
    root = write_clipclap(tmp_path / "set")
    joined = open_dataset(root).classes.text
    (root / "class-split" / "tiny_clip_class_names.csv").unlink()
    with pytest.raises(DataError, match="no text vector for 8 of 8 classes"):
        open_dataset(root)
    for kind in ("", "wavcaps_"):
        name = f"{kind}word_embeddings_tiny_normed.npy"
        rows = {MANUAL[original]: vectors_of(root, name)[CLIP[original]] for original in MANUAL}
        np.save(root / "features" / "cls_features_non_averaged" / "text" / name, np.array(rows, dtype=object))
    assert torch.equal(open_dataset(root).classes.text, joined)


def test_a_class_that_one_dict_lacks_is_named(tmp_path: Path) -> None:
    root = write_clipclap(tmp_path / "set")
    name = "wavcaps_word_embeddings_tiny_normed.npy"
    rows = {key: row for key, row in vectors_of(root, name).items() if key != CLIP["Zebra"]}
    np.save(root / "features" / "cls_features_non_averaged" / "text" / name, np.array(rows, dtype=object))
    with pytest.raises(DataError, match=rf"{name}: no text vector for 1 of 8 classes: .*Zebra"):
        open_dataset(root)
    assert any(name in problem and "Zebra" in problem for problem in inspect(root).problems)


@needs_published
def test_clip_names_of_ucf_mislabel_none(tmp_path: Path) -> None:
    """Counted by the class that a key belongs to: with names written apart as the original ones, 0 of 101."""
    root = tmp_path / "UCF"
    shutil.copytree(PUBLISHED / "UCF" / "class-split", root / "class-split")
    (names,) = (root / "class-split").glob("*_w2v_class_names.csv")
    lines = [line.split(",")[:2] for line in names.read_text().splitlines()[1:]]
    apart = {original: "".join(f" {c}" if c.isupper() else c for c in original).strip() for original, _ in lines}
    table = "".join(f"{original},{manual},{apart[original]}\n" for original, manual in lines)
    (root / "class-split" / "ucf_clip_class_names.csv").write_text("original,manual,clip_class_name\n" + table)
    text = root / "features" / "cls_features_non_averaged" / "text"
    text.mkdir(parents=True)
    np.save(
        text / "word_embeddings_ucf_normed.npy", np.array({key: np.ones(2) for key in apart.values()}, dtype=object)
    )
    assert mislabelled(root) == (0, 101)
    assert mislabelled(root, "cls_split") == (0, len(wrong_classes(root, "cls_split")))
    assert sum(apart[original] != manual for original, manual in lines) == 8  # spelled otherwise than the manual names
    shutil.copy(PUBLISHED / "w2v" / "word_embeddings_ucf_normed.npy", text)
    assert mislabelled(root) == (79, 101)
