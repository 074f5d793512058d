"""A clip to its classes: the distances by a slow loop, any list of names, and every way in which it can go wrong."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner

import avgzsl
from avgzsl import cli
from avgzsl.data.clips import ClipSet, Dataset
from avgzsl.errors import (
    AvgzslError,
    ConfigError,
    DataError,
    ModalityError,
    RunError,
    UnknownNameError,
    WeightsError,
)
from avgzsl.experiments import calibration
from avgzsl.experiments import run as runs
from avgzsl.experiments import train_evaluate as experiment
from avgzsl.experiments.gallery import gallery_of
from avgzsl.experiments.numbers import choose_numbers
from avgzsl.experiments.protocol import Mode
from avgzsl.features.embedding import Task
from avgzsl.media.decode import decode
from avgzsl.media.needs import SoundNeeds, Span
from avgzsl.methods import build
from avgzsl.recognition.recognise import find_clips, predict, recognise
from avgzsl.recognition.recogniser import class_table, load_recogniser
from avgzsl.recognition.results import Predictions
from avgzsl.support.spreadsheet import read_table
from avgzsl.support.weights import WeightFile
from avgzsl.text.encoders import load as load_text
from avgzsl.types import EncoderChoice
from tests import clip_runs
from tests.worlds import world

OF_CLIPS = EncoderChoice(audio="descriptors", video="descriptors")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    return clip_runs.clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory) -> Path:
    return clip_runs.train(clip_runs.dataset(files), tmp_path_factory.mktemp("runs") / "run").folder


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy to spoil."""
    folder = tmp_path / "run"
    folder.mkdir()
    for file in trained.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def here(monkeypatch) -> None:
    """Decoding in this process: no pool to start."""

    class InProcess:
        def __init__(self, workers):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def map(self, requests):
            for request in requests:
                try:
                    yield decode(request.path, request.span, request.frames, request.sound)
                except AvgzslError as problem:
                    yield problem

    monkeypatch.setattr("avgzsl.recognition.recognise.Decoders", InProcess)


def edit(folder: Path, file: str, change) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(change(content) or content))


def without_encoders(folder: Path) -> None:
    edit(folder, "config.json", lambda config: config["data"].pop("encoders") and config["data"].pop("text") and None)


def command(*arguments: object) -> tuple[int, str, str]:
    ran = CliRunner().invoke(cli.app, list(map(str, arguments)))
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.stdout, ran.stderr


def slow_distances(run: Path, path: Path, names) -> tuple[dict[str, np.ndarray], float]:
    """Distance of a clip to each name by each modality, and the attention's weight of video, in plain numpy."""
    w = {name: value.astype(np.float64) for name, value in load_file(run / "model.safetensors").items()}
    x = {m: v.astype(np.float64) / np.linalg.norm(v) for m, v in clip_runs.features(path).items()}
    text = load_text("hashed-words:64").encode(list(names)).double().numpy()
    found: dict[str, list[float]] = {"audio": [], "video": []}
    for m, distances in found.items():
        layers = [(w[f"project.{m}.{layer}.weight"], w[f"project.{m}.{layer}.bias"]) for layer in ("first", "second")]
        z = layers[1][0] @ np.maximum(layers[0][0] @ x[m] + layers[0][1], 0) + layers[1][1]
        for t in text:
            difference = z - (w["text.weight"] @ (t / np.linalg.norm(t)) + w["text.bias"])
            distances.append(sum(float(d) ** 2 for d in difference) ** 0.5)
    both = np.concatenate([x["audio"], x["video"]])
    normed = (both - w["attention.norm.running_mean"]) / np.sqrt(w["attention.norm.running_var"] + 1e-5)
    normed = normed * w["attention.norm.weight"] + w["attention.norm.bias"]
    alpha = 1 / (1 + np.exp(-float(w["attention.linear.weight"][0] @ normed + w["attention.linear.bias"][0])))
    return {m: np.array(distances) for m, distances in found.items()}, alpha


def test_three_lines_of_python_know_classes_that_no_clip_was_labelled_with(trained, files):
    results = avgzsl.predict(trained, files.values())  # in real worker processes
    assert [result.top[0].label for result in results] == list(files)
    assert [result.top[0].seen for result in results] == [name not in clip_runs.UNSEEN for name in files]
    assert [result.path for result in results] == [str(path) for path in files.values()]


@pytest.mark.parametrize("fusion", ["equal", "attention"])
def test_distances_weights_support_and_order_equal_a_slow_loop(trained, files, here, fusion):
    names = ["green low", "purple high", "blue low", "red high", "a red drum", "red low"]
    (result,) = predict(trained, [files["red high"]], names, top=6, fusion=fusion)
    d, alpha = slow_distances(trained, files["red high"], names)
    alpha = alpha if fusion == "attention" else 0.5
    assert result.answer.weights == pytest.approx({"audio": 1 - alpha, "video": alpha}, abs=1e-4)
    fused = (1 - alpha) * d["audio"] + alpha * d["video"]
    gamma = json.loads((trained / "recognition.json").read_text())["modes"][f"both-{fusion}"]["gamma"]
    seen = [name in ("green low", "red low") for name in names]
    order = sorted(range(6), key=lambda c: fused[c] + gamma * seen[c])
    assert [one.label for one in result.top] == [names[c] for c in order]
    assert [one.seen for one in result.top] == [seen[c] for c in order]
    for one, c in zip(result.top, order, strict=True):
        assert one.distance == pytest.approx(fused[c], abs=1e-4)
        assert one.score == pytest.approx(-fused[c], abs=1e-4)
        assert one.distances == pytest.approx({m: d[m][c] for m in d}, abs=1e-4)
        adds = {
            "audio": (1 - alpha) * (d["audio"].mean() - d["audio"][c]),
            "video": alpha * (d["video"].mean() - d["video"][c]),
        }
        assert one.support == pytest.approx(adds, abs=1e-4)
    assert result.answer.gamma == gamma


def test_it_scores_as_evaluation_does(trained, files, here):
    run = runs.load_run(trained)
    path = files["blue low"]
    (result,) = predict(trained, [path], fusion="equal", top=6)
    audio, video = (torch.from_numpy(x)[None] for x in clip_runs.features(path).values())
    clips = ClipSet(audio, video, torch.tensor([0]), np.array(["x"]))
    scores = run.method.scores(clips, runs.read_classes(run).text)[0].tolist()
    assert {one.label: one.score for one in result.top} == pytest.approx(
        dict(zip(clip_runs.NAMES, scores, strict=True))
    )


def test_the_penalty_sets_seen_classes_back_and_raw_does_not(run, files, here):
    edit(run, "recognition.json", lambda r: r["modes"]["both-attention"].update(gamma=50.0))
    clip = [files["red low"]]
    (with_penalty,), (raw,) = predict(run, clip, top=6), predict(run, clip, top=6, calibrated=False)
    assert [one.seen for one in with_penalty.top] == [False] * 2 + [True] * 4
    assert raw.top[0].label == "red low"
    assert (with_penalty.answer.gamma, raw.answer.gamma) == (50.0, None)
    assert {c.label: c.distance for c in raw.top} == {c.label: c.distance for c in with_penalty.top}
    assert [one.distance for one in raw.top] == sorted(one.distance for one in raw.top)


def test_names_are_the_runs_own_in_any_spelling_or_encoded(trained):
    recogniser = load_recogniser(trained)
    known = runs.read_classes(recogniser.run)
    table = class_table(recogniser, ["purple drum", "Green_High", " red high ", "blue low, slowly"])
    assert table.names == ("purple drum", "Green_High", "red high", "blue low, slowly")
    assert table.seen.tolist() == [False, True, False, False]
    assert torch.equal(table.text[1], known.text[known.names.index("green high")])
    direct = load_text("hashed-words:64").encode(["purple drum", "blue low, slowly"])
    assert torch.equal(table.text[[0, 3]], direct)
    assert class_table(recogniser, None) is recogniser.classes


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["red low", ""], DataError, "empty or blank"),
        (["red low", "x" * 10_000], DataError, "longer than 1000"),
        (["red low", "a\0b"], DataError, "control characters"),
        (["red low", "…"], DataError, "no word in"),
        (["drum", "drum"], ConfigError, "more than once among the classes: 'drum'"),
        (["red low", "Red-Low"], ConfigError, "more than once among the classes: 'red low'"),
        ([], ConfigError, "empty list of classes"),
        ("red low", DataError, "one text"),
    ],
)
def test_what_is_no_list_of_names(trained, names, error, message):
    with pytest.raises(error, match=message):
        class_table(load_recogniser(trained), names)


def test_names_with_commas_and_of_any_script_on_the_command_line():
    from avgzsl.cli.predict import split_names

    assert split_names('red low, "blue, low" ,  пёс,🐕') == ["red low", "blue, low", "пёс", "🐕"]
    assert split_names("red low") == ["red low"]
    assert split_names("") == []
    assert split_names("a,,b") == ["a", "", "b"]
    assert split_names(None) is None


def test_a_closed_vocabulary_says_that_it_cannot_encode_new_names(run, files, tmp_path, here):
    vectors = runs.read_classes(runs.load_run(run))
    np.savez(tmp_path / "names.npz", **dict(zip(vectors.names, vectors.text.numpy(), strict=True)))
    without_encoders(run)
    with pytest.raises(DataError, match=r"cannot encode new ones.*no vector for 1 of 1 names: 'purple low'") as told:
        predict(run, [files["red low"]], ["red low", "purple low"],
                encoders=replace(OF_CLIPS, text=f"dict:{tmp_path / 'names.npz'}"))  # fmt: skip
    assert f"names alone ({', '.join(sorted(vectors.names))})" in str(told.value)


def test_a_clip_without_sound_is_told_by_its_picture(trained, tmp_path, here):
    mute = clip_runs.render(tmp_path / "mute.mp4", "green high", sound=False)
    both, video, audio = (predict(trained, [mute], modality=m)[0] for m in ("both", "video", "audio"))
    assert both == video
    assert both.answer.modality == "video"
    assert both.answer.weights == {"audio": 0.0, "video": 1.0}
    assert both.top[0].distances["audio"] is both.top[0].support["audio"] is None
    assert both.top[0].distance == both.top[0].distances["video"]
    gamma = json.loads((trained / "recognition.json").read_text())["modes"]["video"]["gamma"]
    assert both.answer.gamma == gamma
    assert audio.answer is None
    assert "no sound" in audio.error


def test_one_bad_file_does_not_stop_the_rest(trained, files, tmp_path, here):
    (tmp_path / "bad.mp4").write_text("no film at all")
    good = files["red low"]
    code, out, err = command("predict", trained, tmp_path / "bad.mp4", good, tmp_path / "gone.mp4", "--top", 1)
    assert code == 1
    assert f"error: {tmp_path / 'bad.mp4'}" in err
    assert "gone.mp4" in err
    assert "red low" in out
    code, out, _ = command("predict", trained, tmp_path / "bad.mp4", good, "--json")
    assert code == 1
    bad, fine = json.loads(out)
    assert bad.keys() == {"path", "span", "error"}
    assert fine["error"] is None
    assert fine["top"][0]["label"] == "red low"
    assert command("predict", trained, good)[0] == 0


def test_the_json_is_stable(trained, files, here):
    code, out, _ = command(
        "predict", trained, files["red low"], "--json", "--reject", "--top", 2, "--classes", "red low, drum"
    )
    assert code == 0
    (found,) = json.loads(out)
    assert list(found) == ["path", "span", "error", "modality", "fusion", "weights", "gamma", "none_of_these", "top"]
    assert found["span"] == [0.0, None]
    assert (found["modality"], found["fusion"], found["none_of_these"]) == ("both", "attention", False)
    for one in found["top"]:
        assert list(one) == ["label", "seen", "score", "distance", "distances", "support"]
        assert one["distances"].keys() == one["support"].keys() == {"audio", "video"}


def test_a_folder_a_run_and_a_recogniser_are_asked_alike_and_tell_their_steps(trained, files, tmp_path, here):
    clips, steps = [files["red low"], tmp_path / "gone.mp4"], []
    found = predict(trained, clips, top=2, progress=steps.append)
    assert [(step.task, step.done, step.total, step.failed, step.item) for step in steps] == [
        ("predict", 1, 2, 0, str(clips[0])),
        ("predict", 2, 2, 1, str(clips[1])),
    ]
    assert predict(runs.load_run(trained), clips, top=2) == found
    recogniser = load_recogniser(trained)
    assert predict(recogniser, clips, top=2) == found
    for more in ({"encoders": OF_CLIPS}, {"modality": "audio"}, {"fusion": "equal"}):
        with pytest.raises(ConfigError, match="has encoders, a modality and a fusion already"):
            predict(recogniser, clips, **more)


def test_predictions_are_a_sequence_a_table_and_the_json_of_the_command(trained, files, tmp_path, here):
    clips = [files["red low"], tmp_path / "gone.mp4"]
    found = predict(trained, clips, top=2)
    assert (len(found), found[0].top[0].label, list(found)[1].error) == (2, "red low", found[1].error)
    assert isinstance(found[:1], Predictions) and list(found[:1]) == [found[0]]
    first, second, failed = found.rows()
    assert (first["rank"], first["class"], second["rank"], failed["path"]) == (1, "red low", 2, str(clips[1]))
    assert first["audio"] == found[0].top[0].distances["audio"] and failed["error"] == found[1].error
    assert json.loads(command("predict", trained, *clips, "--top", 2, "--json")[1]) == json.loads(
        json.dumps(found.json())
    )
    assert list(found.to_frame()["class"][:2]) == [first["class"], second["class"]]
    assert "red low" in found.table() and "<td>red low</td>" in found[0]._repr_html_()


def test_a_span_of_a_file(trained, files, here):
    (result,) = recognise(load_recogniser(trained), [Task(files["red low"], Span(0.25, 0.75))])
    assert result.span == (0.25, 0.75)
    assert result.top[0].label == "red low"
    (beyond,) = recognise(load_recogniser(trained), [Task(files["red low"], Span(50.0, 60.0))])
    assert "1.0" in beyond.error


def test_none_of_these_beyond_the_threshold(run, files, here):
    clip = [files["red low"]]
    score = predict(run, clip)[0].top[0].score
    for threshold, said in ((score + 1e-3, True), (score - 1e-3, False), (None, None)):
        edit(run, "recognition.json", lambda r, t=threshold: r["modes"]["both-attention"].update(threshold=t))
        (result,) = predict(run, clip, reject=True)
        assert result.answer.none_of_these is said
        assert len(result.top) == 5
    assert predict(run, clip)[0].answer.none_of_these is None
    edit(run, "recognition.json", lambda r: r["modes"]["both-attention"].update(threshold=0.0))
    assert "none of these" in command("predict", run, clip[0], "--reject")[1]


def test_a_run_with_a_threshold_rejects_unless_told_otherwise(run, files, here):
    edit(run, "recognition.json", lambda r: r["modes"]["both-attention"].update(threshold=0.0))
    clip = [files["red low"]]
    assert predict(run, clip)[0].answer.none_of_these is True
    assert runs.load_run(run).predict(clip)[0].answer.none_of_these is True
    assert predict(run, clip, reject=False)[0].answer.none_of_these is None
    assert "none of these; the nearest:" in command("predict", run, clip[0])[1]
    assert "none of these" not in command("predict", run, clip[0], "--no-reject")[1]
    assert "none of these; nearest: red low" in " ".join(command("predict", run, clip[0], clip[0])[1].split())


def test_many_clips_have_one_table_and_the_csv_has_a_row_a_class(trained, files, tmp_path, here):
    clips, out = [files["red low"], files["blue high"]], tmp_path / "found.csv"
    code, printed, _ = command("predict", trained, *clips, tmp_path / "gone.mp4", "--top", 2, "--csv", out)
    assert code == 1 and printed.count("class") == 1 and printed.count("distance") == 1
    assert [line for line in printed.splitlines() if line.endswith(".mp4")] == [str(clip) for clip in clips]
    rows = read_table(out)
    assert [(row["path"], row["rank"]) for row in rows] == [
        (str(clips[0]), "1"), (str(clips[0]), "2"), (str(clips[1]), "1"), (str(clips[1]), "2"),
        (str(tmp_path / "gone.mp4"), ""),
    ]  # fmt: skip
    assert rows[0]["class"] == "red low" and "no such file" in rows[-1]["error"]
    assert "distance" in rows[0] and "score" not in rows[0]  # which say the same
    assert "wrote:" in printed


def test_names_in_the_csv_are_no_formulas(trained, files, tmp_path, here):
    found = predict(trained, [files["red low"]], ["=1+1 red low", "drum"])
    found.write_csv(tmp_path / "found.csv")
    assert "'=1+1 red low" in (tmp_path / "found.csv").read_text()
    assert {row["class"] for row in read_table(tmp_path / "found.csv")} == {"=1+1 red low", "drum"}


def test_penalties_and_thresholds_come_from_validation_by_a_slow_loop():
    data = world(missing=0.3, noise=0.8, clips=12)
    method = build("avgzslnet", settings={**clip_runs.QUICK, "epochs": 6})
    method.fit(*data.training())
    found = calibration.calibrate_recognition(method, data)
    val, seen = data.split("val"), data.classes.seen.tolist()
    gallery = gallery_of(method, val, data.classes)
    assert found.numbers() == choose_numbers([gallery], gallery.modes)
    assert len(found.thresholds()) == 4
    for mode, threshold in found.thresholds().items():
        gamma, right = found.numbers()[mode].gamma, []
        for i in range(len(val)):
            clip = val.take(torch.tensor([i]))
            needed = ("audio", "video") if mode.modality == "both" else (mode.modality,)
            if not all(bool(clip.has(m)[0]) for m in needed):
                continue
            scores = method.scores(clip, data.classes.text, *mode)[0].tolist()
            winner = max(range(len(scores)), key=lambda c: scores[c] - gamma * seen[c])
            right += [scores[winner]] if winner == int(clip.labels[0]) else []
        assert len(right) > 20, mode
        below = [sum(score < t for score in right) for t in sorted(right)]
        allowed = [t for t, count in zip(sorted(right), below, strict=True) if count <= 0.05 * len(right)]
        assert threshold == pytest.approx(allowed[-1], abs=1e-5)


def test_without_validation_clips_of_unseen_classes_there_is_no_penalty_but_a_threshold(
    files, tmp_path, monkeypatch, here
):
    data = clip_runs.dataset(files)
    val = data.splits["val"]
    seen_only = {**data.splits, "val": val.where(data.classes.seen[val.labels])}
    with_seen = Dataset.of(data.classes, seen_only)
    run = clip_runs.train(with_seen, tmp_path / "run", epochs=8)
    record = json.loads((run.folder / "recognition.json").read_text())["modes"]["both-equal"]
    assert record["gamma"] is None
    assert record["threshold"] < 0
    none = Dataset.of(data.classes, {k: v for k, v in data.splits.items() if k != "val"})
    run = clip_runs.train(none, tmp_path / "none", epochs=2)
    assert not (run.folder / "recognition.json").exists()
    clip, how = files["red low"], ("--audio", "descriptors", "--video", "descriptors")
    code, out, _ = command("predict", run.folder, clip, *how)
    assert code == 0
    assert "not calibrated: 1 of 1" in out
    with pytest.raises(RunError, match="has no reject threshold"):
        command("predict", run.folder, clip, *how, "--reject")


def test_how_many_answers_are_not_calibrated_is_said(run, files, tmp_path, here):
    mute = clip_runs.render(tmp_path / "mute.mp4", "green high", sound=False)
    assert "not calibrated" not in command("predict", run, files["red low"], mute)[1]
    edit(run, "recognition.json", lambda record: record["modes"]["video"].update(gamma=None))
    assert "not calibrated: 1 of 2" in command("predict", run, files["red low"], mute)[1]
    assert "not calibrated" not in command("predict", run, mute, "--no-calibrated")[1]


def test_a_diverged_training_keeps_its_run(files, tmp_path, monkeypatch):
    data = clip_runs.dataset(files)

    def thresholds(*_):
        raise DataError("scores are not finite")

    monkeypatch.setattr("avgzsl.experiments.gallery.Gallery.thresholds", thresholds)
    run = clip_runs.train(data, tmp_path / "run", epochs=2)
    assert (run.folder / "model.safetensors").exists()
    assert not (run.folder / "recognition.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "not the record of a calibration"),
        ('{"format": 2}', "format 2 is newer than 1"),
        ('{"format": 1, "modes": {"smell": {"gamma": 0, "threshold": 0}}}', "modes.smell"),
        ('{"format": 1, "modes": {"audio": {"gamma": NaN, "threshold": 0}}}', "finite number"),
        ('{"format": 1, "modes": {"audio": {"gamma": "all", "threshold": 0}}}', "valid number"),
        ('{"format": 1, "modes": {}, "colour": 1}', "colour"),
    ],
)
def test_a_damaged_record_of_the_calibration(run, content, message):
    (run / "recognition.json").write_text(content)
    with pytest.raises(RunError, match=message):
        load_recogniser(run)


def test_damaged_classes(run):
    path = run / "classes.safetensors"
    whole = path.read_bytes()
    for damage in (whole[:100], b"", whole.replace(b"red low", b"red lox")):
        path.write_bytes(damage)
        with pytest.raises(RunError, match="not the run's classes"):
            load_recogniser(run)
    path.unlink()
    with pytest.raises(RunError, match="--resume"):
        load_recogniser(run)


def test_a_run_of_before_is_read_and_completed_by_resuming(run, trained, files):
    for file in ("classes.safetensors", "recognition.json"):
        (run / file).unlink()
    assert runs.load_run(run).config.data.encoders
    experiment.train(clip_runs.dataset(files), out=run, settings=clip_runs.QUICK, device="cpu", resume=True)
    for file in trained.iterdir():
        assert (run / file.name).read_bytes() == file.read_bytes()
    without_encoders(run)
    assert runs.load_run(run).config.data.encoders == {}


def test_features_from_elsewhere_need_to_be_told_their_encoders(run, files, here, tmp_path):
    known = predict(run, [files["red low"]])
    without_encoders(run)
    with pytest.raises(RunError, match=r"audio features from elsewhere.*--audio"):
        load_recogniser(run)
    assert predict(run, [files["red low"]], encoders=OF_CLIPS) == known
    with pytest.raises(RunError, match=r"text vectors from elsewhere.*--text"):
        predict(run, [files["red low"]], ["purple low", "red low"], encoders=OF_CLIPS)
    with pytest.raises(ConfigError, match=r"gives 128 numbers, but .* vectors of 64"):
        predict(run, [files["red low"]], ["purple low"], encoders=replace(OF_CLIPS, text="hashed-words:128"))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "other.npz", **{name: rng.standard_normal(64) for name in clip_runs.NAMES})
    with pytest.raises(ConfigError, match="another vector than"):
        predict(
            run,
            [files["red low"]],
            ["purple low"],
            encoders=replace(OF_CLIPS, text=f"dict:{tmp_path / 'other.npz'}"),
        )
    np.savez(tmp_path / "few.npz", x=rng.standard_normal(64))
    with pytest.raises(ConfigError, match="does not know its classes"):
        predict(
            run,
            [files["red low"]],
            ["purple low"],
            encoders=replace(OF_CLIPS, text=f"dict:{tmp_path / 'few.npz'}"),
        )
    (new,) = predict(
        run, [files["red low"]], ["purple low", "red low"], encoders=replace(OF_CLIPS, text="hashed-words:64")
    )
    assert new.top[0].label == "red low"
    with pytest.raises(UnknownNameError, match="did you mean descriptors"):
        load_recogniser(run, encoders=EncoderChoice(audio="descriptor", video="descriptors"))
    with pytest.raises(ConfigError, match="needs no audio encoder"):
        load_recogniser(run, modality="video", encoders=OF_CLIPS)


def test_an_encoder_of_names_without_names_is_refused(trained, files):
    with pytest.raises(ConfigError, match="add --classes"):
        command("predict", trained, files["red low"], "--text", "hashed-words:64")


class Fake:
    """A backbone with weights."""

    spec, modality, dimension = "fake:net", "audio", 225

    def __init__(self, content: str) -> None:
        self.weights = (WeightFile("net.bin", content * 64),)
        self.needs = SoundNeeds(16000)

    def embed(self, clips):
        raise NotImplementedError


def test_other_weights_than_the_runs_are_refused(run, files, monkeypatch):
    edit(run, "config.json", lambda c: c["data"]["encoders"].update(
        audio={"spec": "fake:net", "weights": [{"name": "net.bin", "sha256": "a" * 64}]}))  # fmt: skip
    from avgzsl import backbones

    monkeypatch.setattr(backbones, "load", lambda *_, **__: Fake("a"))
    load_recogniser(run, modality="audio")
    load_recogniser(run, modality="audio", encoders=EncoderChoice(audio="fake:moved/net"))
    monkeypatch.setattr(backbones, "load", lambda *_, **__: Fake("b"))
    with pytest.raises(WeightsError, match=r"is not the audio encoder of .*net.bin bbbbbbbbbbbb, there .*aaaaaaaaaaaa"):
        load_recogniser(run, modality="audio")


def test_an_encoder_without_weights_is_known_by_its_spec(run, monkeypatch):
    from avgzsl.text import encoders as text

    class Other:
        spec, dimension, open_vocabulary, weights = "other:64", 64, True, ()

        def encode(self, names):
            raise NotImplementedError

    monkeypatch.setattr(text, "load", lambda *_, **__: Other())
    with pytest.raises(WeightsError, match="hashed-words:64 with no weights"):
        class_table(load_recogniser(run), ["drum"])


@pytest.mark.parametrize(
    ("method", "modality", "away"),  # a distance is that less the score
    [("eszsl", "video", None), ("concat", "both", 0), ("conse", "video", 1), ("audio-only", "audio", 0)],
)
def test_other_methods(files, tmp_path, monkeypatch, here, method, modality, away):
    settings = {"epochs": 5, "batch_size": 32, "milestones": (3,)} if method in ("concat", "audio-only") else {}
    run = clip_runs.train(clip_runs.dataset(files), tmp_path / "run", method, **settings)
    mute = clip_runs.render(tmp_path / "mute.mp4", "green high", sound=False)
    recogniser = load_recogniser(run.folder)
    assert recogniser.mode == Mode(modality, "equal")
    assert set(recogniser.backbones) == ({"audio", "video"} if modality == "both" else {modality})
    result, silent = recognise(recogniser, [files["red low"], mute], ["red low", "purple high"])
    for one in result.top:
        assert one.distance == (None if away is None else pytest.approx(away - one.score))
        assert one.distance is None or one.distance >= 0
        alone = {m for m, value in one.support.items() if value is not None}
        assert alone == (set() if method == "concat" else {modality})
    audio, video = float(modality == "audio"), float(modality == "video")
    joined = {"audio": None, "video": None}
    assert result.answer.weights == (joined if method == "concat" else {"audio": audio, "video": video})
    if modality == "video":
        assert silent.error is None
    else:
        assert "needs both" in silent.error if modality == "both" else "no sound" in silent.error
    with pytest.raises(ModalityError, match="cannot be tested on"):
        load_recogniser(run.folder, modality="audio" if modality != "audio" else "video")


def test_impossible_questions(trained, files):
    recogniser = load_recogniser(trained)
    with pytest.raises(ConfigError, match="top 0"):
        recognise(recogniser, [files["red low"]], top=0)
    with pytest.raises(ConfigError, match="give a list of paths"):
        recognise(recogniser, str(files["red low"]))
    with pytest.raises(UnknownNameError, match="did you mean video"):
        load_recogniser(trained, modality="vidoe")
    with pytest.raises(ConfigError, match="fusion=attention weighs"):
        load_recogniser(trained, modality="audio", fusion="attention")
    assert list(recognise(recogniser, [])) == []


def test_folders_and_patterns(files, tmp_path, monkeypatch):
    folder = next(iter(files.values())).parent
    inside = sorted(folder.iterdir())
    assert find_clips([str(folder)]) == inside
    assert find_clips([str(folder / "red-*.mp4")]) == [folder / "red-high.mp4", folder / "red-low.mp4"]
    assert find_clips([str(folder / "**/*high.mp4"), "gone.mp4"]) == [
        *(f for f in inside if "high" in f.name), Path("gone.mp4")
    ]  # fmt: skip
    monkeypatch.chdir(folder)
    assert find_clips(["blue*"]) == [Path("blue-high.mp4"), Path("blue-low.mp4")]
    (tmp_path / "odd[1].mp4").write_bytes(b"")
    assert find_clips([str(tmp_path / "odd[1].mp4")]) == [tmp_path / "odd[1].mp4"]
    (tmp_path / "empty").mkdir()
    for path in (str(tmp_path / "empty"), str(tmp_path / "*.avi"), "x" * 5000 + "*", "a**/b"):
        with pytest.raises(DataError):
            find_clips([path])
