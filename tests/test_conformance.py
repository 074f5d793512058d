"""The contract that every method keeps: one suite over the registry. A new method is tested by being there."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from avgzsl.data.clips import ClassTable, ClipSet, Dataset
from avgzsl.errors import ConfigError, DataError, ModalityError, NotFittedError, UnknownNameError
from avgzsl.learning.training import Job, Schedule
from avgzsl.methods import Method, build, method_class, methods
from tests.worlds import same_clips, world

EVERY = pytest.mark.parametrize("name", methods())


def make(name: str, **settings: object) -> Method:
    """A method with few, quick steps; what a method does not have is left out."""
    quick = {"epochs": 30, "batch_size": 64, "milestones": (20,), "lr": 0.1, "attention_epochs": 2, **settings}
    cls = method_class(name)
    known = {field.name for field in dataclasses.fields(cls)}
    return build(name, settings={key: value for key, value in quick.items() if key in known})


def fit(name: str, data: Dataset, seed: int = 0) -> Method:
    return make(name).fit(*data.training(), Job(seed=seed))


def all_scores(method: Method, clips: ClipSet, classes: ClassTable) -> dict[str, torch.Tensor]:
    kinds = [(m, "equal") for m in method.modalities] + [
        ("both", f) for f in method.fusions if "both" in method.modalities
    ]
    return {f"{m}-{f}": method.scores(clips, classes.text, m, f) for m, f in dict.fromkeys(kinds)}


def assert_same(x: dict[str, torch.Tensor], y: dict[str, torch.Tensor], exactly: bool = True) -> None:
    assert x.keys() == y.keys()
    for key in x:
        assert torch.equal(x[key], y[key]) if exactly else torch.allclose(x[key], y[key], atol=1e-5), key


@pytest.fixture(scope="module")
def data() -> Dataset:
    return world()


@pytest.fixture(scope="module")
def fitted(data: Dataset):
    made: dict[str, Method] = {}

    def get(name: str) -> Method:
        if name not in made:
            made[name] = fit(name, data)
        return made[name]

    return get


@EVERY
def test_fit_returns_self_and_leaves_its_input_alone(name, data):
    train, classes = data.training()
    copy = train.take(torch.arange(len(train)))
    text = classes.text.clone()
    method = make(name)
    assert method.fit(train, classes, Job()) is method
    assert same_clips(train, copy) and torch.equal(classes.text, text)


@EVERY
def test_same_seed_same_bytes(name, data, fitted):
    again = fit(name, data).state()
    assert again.keys() == fitted(name).state().keys()
    assert all(torch.equal(value, again[key]) for key, value in fitted(name).state().items())


@EVERY
def test_another_seed_is_another_model_where_chance_plays_a_part(name, data, fitted):
    other = fit(name, data, seed=1).state()
    differs = any(not torch.equal(value, other[key]) for key, value in fitted(name).state().items())
    assert differs == isinstance(fitted(name), Schedule)


@EVERY
def test_global_random_state_plays_no_part(name, data, fitted):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    state = fit(name, data).state()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, state[key]) for key, value in fitted(name).state().items())


@EVERY
def test_scores_of_a_clip_hang_not_on_the_batch_and_dropout_is_off(name, data, fitted):
    test = data.split("test")
    whole = all_scores(fitted(name), test, data.classes)
    assert_same(whole, all_scores(fitted(name), test, data.classes))
    part = all_scores(fitted(name), test.take(torch.arange(40, 50)), data.classes)
    assert_same({key: value[40:50] for key, value in whole.items()}, part, exactly=False)


@contextmanager
def chunks_of(count: int) -> Iterator[None]:
    """Whatever works through clips in chunks takes so many at a time: a module that does so calls the number _CHUNK."""
    for name in methods():
        method_class(name)
    patched = {name for name, module in sys.modules.items() if name.startswith("avgzsl.") and "_CHUNK" in vars(module)}
    support = {"_base", "_examples", "_projections", "gcca", "least_squares"}
    assert patched >= {"avgzsl.learning.train_set", *(f"avgzsl.methods.{name}" for name in support)}
    with pytest.MonkeyPatch.context() as patch:
        for name in patched:
            patch.setattr(sys.modules[name], "_CHUNK", count)
        yield


def variants(name: str) -> list[dict[str, object]]:
    """The settings under which a method goes through its clips in another way."""
    known = {field.name for field in dataclasses.fields(method_class(name))}
    ways: list[dict[str, object]] = [{}]
    ways += [{"scale": "z-score"}, {"input": "concat"}] if "scale" in known else []
    ways += [{"attention": "posthoc"}, {"attention": "joint"}] if "attention" in known else []
    return ways


@EVERY
def test_nothing_hangs_on_the_size_of_chunks(name, data):
    """Trained and tested with chunks of seven clips, the last of them shorter: each chunk counts, each once."""
    train, classes = data.training()
    assert len(train) % 7 and len(data.split("test")) % 7
    whole = [make(name, **way).fit(train, classes, Job()) for way in variants(name)]
    scores = [all_scores(method, data.split("test"), classes) for method in whole]
    with chunks_of(7):
        again = [make(name, **way).fit(train, classes, Job()) for way in variants(name)]
        parted = [all_scores(method, data.split("test"), classes) for method in whole]
    trained = [all_scores(method, data.split("test"), classes) for method in again]
    for way, expected, *found in zip(variants(name), scores, parted, trained, strict=True):
        for one in found:
            assert one.keys() == expected.keys()
            for key, value in expected.items():
                assert torch.allclose(one[key], value, atol=1e-4, rtol=1e-3), (way, key)


@EVERY
def test_a_bad_feature_in_any_chunk_is_found(name, data):
    train, classes = data.training()
    for row in (0, 8, len(train) - 1):
        audio, video = train.audio.clone(), train.video.clone()
        audio[row, 3], video[row, 3] = torch.nan, torch.inf
        with chunks_of(7), pytest.raises(DataError, match="NaN or infinite"):
            make(name).fit(replace(train, audio=audio, video=video), classes)


@EVERY
def test_unseen_text_plays_no_part_in_training(name, data, fitted):
    text = data.classes.text.clone()
    text[~data.classes.seen] = torch.randn(text[~data.classes.seen].shape, generator=torch.Generator().manual_seed(5))
    other = replace(data, classes=replace(data.classes, text=text))
    state = fit(name, other).state()
    assert all(torch.equal(value, state[key]) for key, value in fitted(name).state().items())


@EVERY
def test_unseen_clips_and_other_splits_play_no_part_in_training(name, data, fitted):
    train = data.split("train")
    audio = torch.where(data.classes.seen[train.labels, None], train.audio, 7.0)
    other = replace(data, splits={"train": replace(train, audio=audio)})
    state = fit(name, other).state()
    assert all(torch.equal(value, state[key]) for key, value in fitted(name).state().items())


@EVERY
def test_test_labels_play_no_part_in_scores(name, data, fitted):
    test = data.split("test")
    shuffled = replace(test, labels=test.labels.flip(0))
    assert_same(all_scores(fitted(name), test, data.classes), all_scores(fitted(name), shuffled, data.classes))


@EVERY
def test_classes_permuted_scores_permuted(name, data, fitted):
    order = torch.randperm(len(data.classes), generator=torch.Generator().manual_seed(1))
    straight = all_scores(fitted(name), data.split("test"), data.classes)
    permuted = all_scores(fitted(name), data.split("test"), data.classes.take(order))
    assert_same({key: value[:, order] for key, value in straight.items()}, permuted, exactly=False)


@EVERY
def test_state_restores_to_identical_scores(name, data, fitted):
    method = fitted(name)
    sizes = {"audio": data.split("train").audio.shape[1], "video": data.split("train").video.shape[1]}
    twin = make(name).restore(method.state(), {**sizes, "text": data.classes.text.shape[1]})
    assert_same(
        all_scores(method, data.split("test"), data.classes), all_scores(twin, data.split("test"), data.classes)
    )


@EVERY
def test_not_fitted_is_a_clear_error(name, data):
    for use in (lambda m: m.scores(data.split("test"), data.classes.text), lambda m: m.state()):
        with pytest.raises(NotFittedError, match=f"{name} is not fitted"):
            use(make(name))


@EVERY
def test_a_clip_without_the_modality_asked_for_is_a_clear_error(name, data, fitted):
    test = data.split("test")
    deaf = replace(test, has_audio=torch.arange(len(test)) != 3)
    if "audio" in fitted(name).modalities:
        with pytest.raises(ModalityError, match=f"1 of {len(test)} clips have no audio"):
            fitted(name).scores(deaf, data.classes.text, "audio")


@EVERY
def test_a_modality_that_is_not_served_is_a_clear_error(name, data, fitted):
    for modality in {"audio", "video", "both"} - set(fitted(name).modalities):
        with pytest.raises(ModalityError, match=name):
            fitted(name).scores(data.split("test"), data.classes.text, modality)


@EVERY
def test_other_dimensions_are_a_clear_error(name, data, fitted):
    test = data.split("test")
    wider = replace(test, audio=torch.cat([test.audio, test.audio], 1), video=torch.cat([test.video, test.video], 1))
    with pytest.raises(ModalityError, match="dimensions, the model was trained on"):
        fitted(name).scores(wider, data.classes.text, fitted(name).modalities[0])


@EVERY
@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_finite_for_extreme_but_finite_input(name, data, fitted, factor):
    test = data.split("test")
    extreme = replace(test, audio=test.audio * factor, video=test.video * factor)
    for scores in all_scores(fitted(name), extreme, data.classes).values():
        assert torch.isfinite(scores).all()


@EVERY
def test_trains_on_extreme_but_finite_input(name, data):
    train = data.split("train")
    extreme = replace(data, splits={"train": replace(train, audio=train.audio * 1e30, video=train.video * 1e-30)})
    for scores in all_scores(fit(name, extreme), train, data.classes).values():
        assert torch.isfinite(scores).all()


@EVERY
def test_beats_chance_on_seen_and_on_unseen(name, data, fitted):
    test, classes = data.split("test"), data.classes
    for key, scores in all_scores(fitted(name), test, classes).items():
        if method_class(name).control:  # nothing ties its features to the text, so nothing more can be asked
            assert torch.isfinite(scores).all(), key
            continue
        for group in (classes.seen, ~classes.seen):
            inside = group[test.labels]
            found = scores[inside].masked_fill(~group, -torch.inf).argmax(1) == test.labels[inside]
            assert found.float().mean() > 1.5 / group.sum(), key


@EVERY
def test_clips_that_lack_a_modality_are_trained_on_and_scored(name):
    data = world(missing=0.4)
    method = fit(name, data)
    test = data.split("test")
    noisy = replace(test, audio=torch.where(test.has_audio[:, None], test.audio, torch.nan))
    if set(method.modalities) == {"both"}:  # one network on both modalities has nothing to fall back on
        full = test.has_audio & test.has_video
        with pytest.raises(ModalityError, match=f"{int((~full).sum())} of {len(test)} clips lack audio or video"):
            method.scores(noisy, data.classes.text)
        assert torch.isfinite(method.scores(noisy.where(full), data.classes.text)).all()
    elif "both" in method.modalities:
        scores = method.scores(noisy, data.classes.text)
        assert torch.isfinite(scores).all()
        for modality, other in (("audio", "video"), ("video", "audio")):
            alone = ~test.has(other)
            assert torch.allclose(
                scores[alone], method.scores(noisy.where(alone), data.classes.text, modality), atol=1e-6
            )


@EVERY
def test_too_few_classes_or_bad_features_are_clear_errors(name, data):
    train, classes = data.training()
    one = classes.take(torch.tensor([0]))
    with pytest.raises(DataError, match="only one seen class"):
        make(name).fit(train.where(train.labels == 0), one)
    with pytest.raises(DataError, match="no training clip of: "):
        make(name).fit(train.where(train.labels != 2), classes)
    with pytest.raises(DataError, match="NaN or infinite"):
        make(name).fit(replace(train, audio=train.audio / 0), classes)
    with pytest.raises(DataError, match="unseen classes"):
        make(name).fit(data.split("train"), data.classes)


@EVERY
def test_settings_are_checked_when_the_method_is_built(name):
    first = dataclasses.fields(method_class(name))[0].name
    with pytest.raises(ConfigError, match=rf"2 bad settings:(.|\n)*did you mean {first}(.|\n)*{first}="):
        build(name, settings={first + "e": 1, first: object()})


@EVERY
def test_every_value_worth_searching_is_a_valid_setting(name):
    for key, values in method_class(name).ranges.items():
        assert len(set(values)) == len(values) > 1, key
        for value in values:
            assert getattr(build(name, settings={key: value}), key) == value


@EVERY
def test_every_setting_is_documented(name):
    assert all(about.endswith(".") for _, _, about in method_class(name).settings())


def test_names_and_files_agree_and_a_taken_name_is_refused():
    for name in methods():
        cls = method_class(name)
        assert cls.name == name == cls.__module__.rpartition(".")[2].replace("_", "-")
    taken = SimpleNamespace(module="elsewhere", name=methods()[0])
    method_class(taken.name)
    with pytest.raises(ConfigError, match="is taken by"):
        type("Copy", (Method,), {"__module__": taken.module}, name=taken.name)


def test_unknown_names_are_answered_with_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean avgzslnet"):
        build("avgzlsnet")
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        build("avgzslnet", "papper")
