"""What every method keeps to: one suite, and so one long file, for an author of a method reads it as the contract."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

import pytest
import torch

from avgzsl.data.clips import Dataset
from avgzsl.errors import ConfigError, DataError, ModalityError, NotFittedError
from avgzsl.learning.attention import AttentionSettings
from avgzsl.learning.training import Job, Schedule
from avgzsl.methods import Method, MethodChoice, SingleFeature, bibtex, build, dimensions, find_method, settings_of
from avgzsl.testing.scores import all_scores, assert_same, chunks_of
from avgzsl.testing.worlds import features, in_parts, one_space_world, same_clips, some_world
from avgzsl.types import MODALITIES, TEST_MODALITIES


class MethodSuite:
    """The tests of a method: a subclass whose name begins with Test says which, `method = Mine`.

    `method` is the class, a name, or `FILE.py:Class`. `quick` are settings that make a training short, of which those
    count that the method has.
    """

    method: ClassVar[MethodChoice]
    quick: ClassVar[Mapping[str, Any]] = {
        "epochs": 30,
        "steps": 0,
        "batch_size": 64,
        "milestones": (20,),
        "lr": 0.1,
        "depth": 1,
        "attention_epochs": 2,
    }

    @property
    def kind(self) -> type[Method]:
        """The method's class."""
        if not hasattr(self, "method"):
            pytest.fail(f"{type(self).__name__}: say which method is tested, as in `method = Mine`")
        return find_method(self.method)

    def make(self, **settings: Any) -> Method:
        """A method that is not fitted, and will train quickly."""
        own = {field.name: field.default for field in fields(self.kind)}
        usual = {**self.quick, **({"space": "shared"} if self.kind.untrained else {})}
        quick = {name: value for name, value in usual.items() if name in own}
        if "steps" in own and own.get("optimiser") == "adam":  # for which 0.1 is too much
            quick["lr"] = min(quick["lr"], 0.01)
        return build(self.kind, settings={**quick, **settings})

    def world(self, missing: float = 0.0) -> Dataset:
        """The data of the tests, made once: of a method that learns nothing, features and text stand in one space."""
        return one_space_world(missing) if self.kind.untrained else some_world(missing)

    def fit(self, data: Dataset, seed: int = 0) -> Method:
        """One that was trained on a data set."""
        return self.make().fit(*data.training(), Job(seed=seed))

    def fitted(self) -> Method:
        """The one that was trained on the small world: once, for all tests that change nothing."""
        if type(self) not in _FITTED:
            _FITTED[type(self)] = self.fit(self.world())
        return _FITTED[type(self)]

    def ways(self) -> list[dict[str, Any]]:
        """Settings under which the method goes through its clips in another way."""
        ways: list[dict[str, Any]] = [{}]
        if issubclass(self.kind, SingleFeature):
            ways += [{"scale": "z-score"}, {"input": "concat"}]
        if issubclass(self.kind, AttentionSettings):
            ways += [{"attention": "posthoc"}, {"attention": "joint"}]
        return ways

    def test_fit_returns_self_and_leaves_its_input_alone(self) -> None:
        data = self.world()
        train, classes = data.training()
        copy = train.take(torch.arange(len(train)))
        text = classes.text.clone()
        method = self.make()
        assert method.fit(train, classes, Job()) is method
        assert same_clips(train, copy) and torch.equal(classes.text, text)

    def test_same_seed_same_bytes(self) -> None:
        data, fitted = self.world(), self.fitted()
        again = self.fit(data).state()
        assert again.keys() == fitted.state().keys()
        assert all(torch.equal(value, again[key]) for key, value in fitted.state().items())

    def test_another_seed_is_another_model_where_chance_plays_a_part(self) -> None:
        data, fitted = self.world(), self.fitted()
        other = self.fit(data, seed=1).state()
        if isinstance(fitted, Schedule):  # trained by steps; another method may have no use for a seed
            assert any(not torch.equal(value, other[key]) for key, value in fitted.state().items())

    def test_global_random_state_plays_no_part(self) -> None:
        data, fitted = self.world(), self.fitted()
        torch.manual_seed(99)
        before = torch.get_rng_state()
        state = self.fit(data).state()
        assert torch.equal(before, torch.get_rng_state())
        assert all(torch.equal(value, state[key]) for key, value in fitted.state().items())

    def test_scores_of_a_clip_hang_not_on_the_batch_and_dropout_is_off(self) -> None:
        data, fitted = self.world(), self.fitted()
        test = data.split("test")
        whole = all_scores(fitted, test, data.classes)
        assert_same(whole, all_scores(fitted, test, data.classes))
        part = all_scores(fitted, test.take(torch.arange(40, 50)), data.classes)
        assert_same({key: value[40:50] for key, value in whole.items()}, part, exactly=False)

    def test_nothing_hangs_on_the_size_of_chunks(self) -> None:
        """Trained and tested with chunks of seven clips, the last of them shorter: each chunk counts, each once."""
        data = self.world()
        train, classes = data.training()
        assert len(train) % 7 and len(data.split("test")) % 7
        whole = [self.make(**way).fit(train, classes, Job()) for way in self.ways()]
        scores = [all_scores(method, data.split("test"), classes) for method in whole]
        with chunks_of(7, self.kind.__module__):
            again = [self.make(**way).fit(train, classes, Job()) for way in self.ways()]
            parted = [all_scores(method, data.split("test"), classes) for method in whole]
        trained = [all_scores(method, data.split("test"), classes) for method in again]
        for way, expected, tested, both in zip(self.ways(), scores, parted, trained, strict=True):
            for key, value in expected.items():
                assert torch.allclose(tested[key], value, atol=1e-4, rtol=1e-3), (way, key)
                assert torch.allclose(both[key], value, atol=1e-4, rtol=1e-3), (way, key)

    def test_a_bad_feature_in_any_chunk_is_found(self) -> None:
        data = self.world()
        train, classes = data.training()
        for row in (0, 8, len(train) - 1):
            audio, video = (feature.clone() for feature in features(train))
            audio[row, 3], video[row, 3] = torch.nan, torch.inf
            with chunks_of(7, self.kind.__module__), pytest.raises(DataError, match="NaN or infinite"):
                self.make().fit(replace(train, audio=audio, video=video), classes)

    def test_unseen_text_plays_no_part_in_training(self) -> None:
        data, fitted = self.world(), self.fitted()
        noise = torch.randn(data.classes.text.shape, generator=torch.Generator().manual_seed(5))
        text = torch.where(data.classes.seen[:, None], data.classes.text, noise)
        other = replace(data, classes=replace(data.classes, text=text))
        state = self.fit(other).state()
        assert all(torch.equal(value, state[key]) for key, value in fitted.state().items())

    def test_unseen_clips_and_other_splits_play_no_part_in_training(self) -> None:
        data, fitted = self.world(), self.fitted()
        train = data.split("train")
        audio = torch.where(data.classes.seen[train.labels, None], features(train)[0], 7.0)
        other = replace(data, splits={"train": replace(train, audio=audio)})
        state = self.fit(other).state()
        assert all(torch.equal(value, state[key]) for key, value in fitted.state().items())

    def test_test_labels_play_no_part_in_scores(self) -> None:
        data, fitted = self.world(), self.fitted()
        test = data.split("test")
        shuffled = replace(test, labels=test.labels.flip(0))
        assert_same(all_scores(fitted, test, data.classes), all_scores(fitted, shuffled, data.classes))

    def test_classes_permuted_scores_permuted(self) -> None:
        data, fitted = self.world(), self.fitted()
        order = torch.randperm(len(data.classes), generator=torch.Generator().manual_seed(1))
        straight = all_scores(fitted, data.split("test"), data.classes)
        permuted = all_scores(fitted, data.split("test"), data.classes.take(order))
        assert_same({key: value[:, order] for key, value in straight.items()}, permuted, exactly=False)

    def test_names_are_embedded_one_by_one_unless_it_says_together(self) -> None:
        """What a name is embedded as hangs on no other name of the list, or the method says that it does."""
        fitted, classes = self.fitted(), self.world().classes
        some = torch.tensor([4, 1])
        whole, part = fitted.embed_text(classes.text).take(some), fitted.embed_text(classes.text[some])
        for modality in TEST_MODALITIES:
            expected, found = whole.of(modality), part.of(modality)
            if expected is not None and found is not None:
                assert torch.allclose(expected, found, atol=1e-5) != self.kind.names_together, modality
        assert self.kind.searchable or not self.kind.names_together, "an index meets names that come later"

    def test_state_restores_to_identical_scores(self) -> None:
        data, fitted = self.world(), self.fitted()
        test, classes = data.split("test"), data.classes
        twin = self.make().restore(fitted.state(), dimensions(data.split("train"), classes))
        assert_same(all_scores(fitted, test, classes), all_scores(twin, test, classes))

    def test_not_fitted_is_a_clear_error(self) -> None:
        data = self.world()
        with pytest.raises(NotFittedError, match=f"{self.kind.name} is not fitted"):
            self.make().scores(data.split("test"), data.classes.text, self.make().modalities[0])
        with pytest.raises(NotFittedError, match=f"{self.kind.name} is not fitted"):
            self.make().state()

    def test_a_clip_without_the_modality_asked_for_is_a_clear_error(self) -> None:
        data, fitted = self.world(), self.fitted()
        test = data.split("test")
        deaf = replace(test, has_audio=torch.arange(len(test)) != 3)
        if "audio" in fitted.modalities:
            with pytest.raises(ModalityError, match=f"1 of {len(test)} clips have no audio"):
                fitted.scores(deaf, data.classes.text, "audio")

    def test_a_modality_that_is_not_served_is_a_clear_error(self) -> None:
        data, fitted = self.world(), self.fitted()
        for modality in TEST_MODALITIES:
            if modality not in fitted.modalities:
                with pytest.raises(ModalityError, match=self.kind.name):
                    fitted.scores(data.split("test"), data.classes.text, modality)

    def test_other_dimensions_are_a_clear_error(self) -> None:
        data, fitted = self.world(), self.fitted()
        test = data.split("test")
        audio, video = (torch.cat([feature, feature], 1) for feature in features(test))
        wider = replace(test, audio=audio, video=video)
        with pytest.raises(ModalityError, match="dimensions, the model was trained on"):
            fitted.scores(wider, data.classes.text, fitted.modalities[0])

    @pytest.mark.parametrize("factor", [1e-30, 1e30])
    def test_finite_for_extreme_but_finite_input(self, factor: float) -> None:
        data, fitted = self.world(), self.fitted()
        test = data.split("test")
        audio, video = (feature * factor for feature in features(test))
        extreme = replace(test, audio=audio, video=video)
        for scores in all_scores(fitted, extreme, data.classes).values():
            assert torch.isfinite(scores).all()

    def test_trains_on_extreme_but_finite_input(self) -> None:
        data = self.world()
        train = data.split("train")
        audio, video = features(train)
        extreme = replace(data, splits={"train": replace(train, audio=audio * 1e30, video=video * 1e-30)})
        for scores in all_scores(self.fit(extreme), train, data.classes).values():
            assert torch.isfinite(scores).all()

    def test_beats_chance_on_seen_and_on_unseen(self) -> None:
        data, fitted = self.world(), self.fitted()
        test, classes = data.split("test"), data.classes
        for key, scores in all_scores(fitted, test, classes).items():
            if self.kind.control:  # nothing ties its features to the text, so nothing more can be asked
                assert torch.isfinite(scores).all(), key
                continue
            for group in (classes.seen, ~classes.seen):
                inside = group[test.labels]
                predicted = scores[inside].masked_fill(~group, -torch.inf).argmax(1)
                assert (predicted == test.labels[inside]).float().mean() > 1.5 / group.sum(), key

    def test_clips_that_lack_a_modality_are_trained_on_and_scored(self) -> None:
        data = self.world(missing=0.4)
        method = self.fit(data)
        test = data.split("test")
        noisy = replace(test, audio=torch.where(test.has_audio[:, None], features(test)[0], torch.nan))
        if set(method.modalities) == {"both"}:  # one network on both modalities has nothing to fall back on
            full = test.has_audio & test.has_video
            with pytest.raises(ModalityError, match=f"{int((~full).sum())} of {len(test)} clips lack audio or video"):
                method.scores(noisy, data.classes.text)
            assert torch.isfinite(method.scores(noisy.where(full), data.classes.text)).all()
        elif "both" in method.modalities:
            scores = method.scores(noisy, data.classes.text)
            assert torch.isfinite(scores).all()
            for modality in MODALITIES:
                alone = ~test.has("video" if modality == "audio" else "audio")
                by_one = method.scores(noisy.where(alone), data.classes.text, modality)
                assert torch.allclose(scores[alone], by_one, atol=1e-6)

    def test_too_few_classes_or_bad_features_are_clear_errors(self) -> None:
        data = self.world()
        train, classes = data.training()
        first_class = classes.take(torch.tensor([0]))
        with pytest.raises(DataError, match="only one seen class"):
            self.make().fit(train.where(train.labels == 0), first_class)
        with pytest.raises(DataError, match="no training clip of: "):
            self.make().fit(train.where(train.labels != 2), classes)
        with pytest.raises(DataError, match="NaN or infinite"):
            self.make().fit(replace(train, audio=features(train)[0] / 0), classes)
        with pytest.raises(DataError, match="unseen classes"):
            self.make().fit(data.split("train"), data.classes)

    def test_settings_are_checked_when_the_method_is_built(self) -> None:
        names = [name for name, _, _ in self.kind.settings()]
        if not names:
            pytest.skip("the method has no hyper-parameters")
        first = names[0]
        with pytest.raises(ConfigError, match=rf"2 bad settings:(.|\n)*did you mean {first}(.|\n)*{first}="):
            build(self.kind, settings={first + "e": 1, first: object()})

    def test_every_value_worth_searching_is_a_valid_setting(self) -> None:
        for key, values in self.kind.ranges.items():
            assert len(set(values)) == len(values) > 1, key
            for value in values:
                assert getattr(build(self.kind, settings={key: value}), key) == value

    def test_every_setting_is_documented(self) -> None:
        assert all(meaning.endswith(".") for _, _, meaning in self.kind.settings())

    def test_a_run_can_record_its_settings(self) -> None:
        settings = settings_of(self.make())
        assert settings_of(build(self.kind, settings=json.loads(json.dumps(settings)))) == settings

    def test_it_is_what_it_says_of_itself(self) -> None:
        own = self.kind.__module__.startswith("avgzsl.methods.")
        assert all(isinstance(mark, bool) for mark in (self.kind.default, self.kind.baseline, self.kind.control))
        assert own or not (self.kind.default or self.kind.baseline), "that is for a method of the package itself"
        for name, settings in self.kind.variants.items():
            assert build(self.kind, settings=settings).name == self.kind.name, name
        assert self.kind.citation or not own, "a method of the package says what to cite"
        bibtex([self.kind.citation])  # raises for a key that is not there
        assert not any("\n" in said for said in (self.kind.chosen_on_test, self.kind.searchable, self.kind.packable))

    def test_text_in_parts_is_scaled_part_by_part(self) -> None:
        """Two parts for both are taken under each scaling; parts of one modality by methods with a text for each."""
        data = self.world()
        train, classes = data.training()
        for scale in ("raw", "unit", "centred"):
            parted = in_parts(classes, (None, None))
            method = self.make(text_scale=scale).fit(train, parted, Job())
            assert all(torch.isfinite(s).all() for s in all_scores(method, train, parted).values())
            again = self.make(text_scale=scale).restore(method.state(), dimensions(train, parted))
            assert_same(all_scores(method, train, parted), all_scores(again, train, parted))
        parted = in_parts(classes, ("audio", "video"))
        if self.kind.text_by_modality or self.make().text_modality is not None:
            method = self.make().fit(train, parted, Job())
            assert all(torch.isfinite(s).all() for s in all_scores(method, train, parted).values())
        else:
            with pytest.raises(ConfigError, match="one text"):
                self.make().fit(train, parted, Job())


_FITTED: dict[type[MethodSuite], Method] = {}
