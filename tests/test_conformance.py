"""The contract that every method keeps: the suite of `avgzsl.testing`, run over all there are."""

import sys

import pytest
import torch

from avgzsl.errors import ConfigError, UnknownNameError
from avgzsl.learning.training import Schedule
from avgzsl.methods import Method, build, marked, method_class, methods
from avgzsl.testing import MethodSuite
from avgzsl.testing.scores import chunks_of
from avgzsl.types import TEST_MODALITIES

QUICK = {
    # of six classes, dropout leaves too little that holds for unseen ones
    "avca": {"lr": 0.003, "encoder_dropout": 0.0, "projection_dropout": 0.0, "decoder_dropout": 0.0},
    "tcaf": {"lr": 0.01},  # a transformer has no normalisation that would forgive steps of 0.1
    # the one generator step an epoch of its defaults is too little for the suite's thirty epochs
    "f-vaegan": {"updates": "as-meant", "output": "linear", "adversarial": 10.0, "synthetic": 50},
}


def suite_of(name: str) -> type[MethodSuite]:
    own = {"method": name, "quick": {**MethodSuite.quick, **QUICK.get(name, {})}, "__module__": __name__}
    return type(f"Test{method_class(name).__name__}", (MethodSuite,), own)


SUITES = {name: suite_of(name) for name in methods()}
globals().update({suite.__name__: suite for suite in SUITES.values()})


@pytest.mark.parametrize("name", methods())
def test_a_closed_form_has_no_use_for_a_seed(name):
    suite = SUITES[name]()
    fitted, other = suite.fitted(), suite.fit(suite.world(), seed=1).state()
    if not isinstance(fitted, Schedule):
        assert all(torch.equal(value, other[key]) for key, value in fitted.state().items())


def test_names_and_files_agree():
    for name in methods():
        cls = method_class(name)
        assert cls.name == name == cls.__module__.rpartition(".")[2].replace("_", "-")
        inside = [member for member in vars(sys.modules[cls.__module__]).values() if isinstance(member, type)]
        named = [member for member in inside if "name" in vars(member) and issubclass(member, Method)]
        assert named == [cls], f"{cls.__module__}: a file of this folder is one method"


def test_one_method_is_the_default_and_one_its_baseline():
    assert len(marked("default")) == len(marked("baseline")) == 1
    assert marked("default") != marked("baseline")
    assert marked("control")
    assert len(marked("untrained")) == len(marked("yardstick")) == 1


@pytest.mark.parametrize("mark", ["default", "baseline", "control", "untrained", "yardstick"])
def test_a_mark_is_found_by_the_line_that_says_it(mark):
    """Else a method that is marked in another way would not be imported, and not be found."""
    own = [name for name in methods() if method_class(name).__module__.startswith("avgzsl.")]
    assert marked(mark) == [name for name in own if getattr(method_class(name), mark)]


def test_what_goes_through_clips_in_chunks_is_known_to_the_suite():
    for name in methods():
        method_class(name)
    with chunks_of(7, "") as chunked:
        helpers = {f"avgzsl.methods.{name}" for name in ("_base", "_examples", "_projections", "gcca", "least_squares")}
        assert {*chunked} >= {"avgzsl.learning.train_set", *helpers}


def test_unknown_names_are_answered_with_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean avgzslnet"):
        build("avgzlsnet")
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        build("avgzslnet", "papper")


@pytest.mark.parametrize("name", ["Upper", "with space", "a/b", "../a", "a:b", "", "-a", "a--b", "x.py"])
def test_a_name_is_one_word(name):
    with pytest.raises(ConfigError, match="is no name"):
        type("Odd", (Method,), {}, name=name)


@pytest.mark.parametrize("name", methods())
def test_of_unseen_classes_a_method_knows_their_text_alone(name):
    """`embed_classes` may say more of those that are marked as seen, in the same space, and of no other."""
    suite = SUITES[name]()
    fitted, classes = suite.fitted(), suite.world().classes
    told, plain = fitted.embed_classes(classes.text, classes.seen), fitted.embed_text(classes.text)
    for modality in TEST_MODALITIES:
        known, predicted = told.of(modality), plain.of(modality)
        assert (known is None) == (predicted is None)
        if known is not None:
            assert known.shape == predicted.shape and torch.isfinite(known).all()
            assert torch.equal(known[~classes.seen], predicted[~classes.seen])
    unmarked = fitted.embed_classes(classes.text, torch.zeros_like(classes.seen))
    assert all(a is b is None or torch.equal(a, b) for m in TEST_MODALITIES for a, b in [(unmarked.of(m), plain.of(m))])
