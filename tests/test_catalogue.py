"""What there is to choose from is listed by name, as a mapping that shows itself."""

import pytest

import avgzsl

LISTS = ["list_methods", "list_layouts", "list_backbones", "list_text_encoders", "list_engines", "list_generators"]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_a_line_a_name_and_shows_itself(name):
    listed = getattr(avgzsl, name)()
    assert len(listed) > 1
    assert list(listed) == sorted(listed)
    assert all(isinstance(listed[key], str) and listed[key].strip() for key in listed)
    assert listed.json() == [{"name": key, "about": listed[key]} for key in listed]
    assert all(f"<td>{key}</td>" in listed._repr_html_() for key in listed)


def test_the_lists_are_of_what_they_say():
    assert "avgzslnet" in avgzsl.list_methods()
    assert "store" in avgzsl.list_layouts()
    assert "descriptors" in avgzsl.list_backbones()
    assert "hashed-words" in avgzsl.list_text_encoders()
    assert "memory" in avgzsl.list_engines()
    assert "clips" in avgzsl.list_generators()


def test_every_list_is_tested_here():
    assert sorted(LISTS) == [
        name
        for name in avgzsl.__all__
        if name.startswith("list_") and name != "list_weights"  # tests/test_fetch.py
    ]


def test_what_is_missing_is_a_key_error():
    with pytest.raises(KeyError):
        avgzsl.list_methods()["nothing"]
