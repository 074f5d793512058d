"""The name of an archive: kept in the index, shown by page and command, and of a folder where none was given."""

import json

import pytest
from typer.testing import CliRunner

from avgzsl import cli
from avgzsl.archive.frozen_index import index_frozen
from avgzsl.archive.index_record import RECORD, read_record
from avgzsl.archive.indexing import index_info
from avgzsl.archive.search import search
from avgzsl.errors import ConfigError, DataError
from avgzsl.server.settings import read_settings
from tests.open_world import encoders, write_folder
from tests.serve_world import application, client_of

NAME = "Klänge der Stadt"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    clips = write_folder(folder / "clips")
    choice = encoders(folder / "models")
    index_frozen(clips, folder / "index", encoders=choice)
    return folder, clips, choice


def told(folder, **settings):
    with application(folder, **settings) as app:
        return client_of(app).get("/v1/info").json()["name"]


def test_an_archive_is_called_by_its_name_and_by_its_folder_s_without_one(made):
    folder, clips, choice = made
    place = folder / "index"
    assert told(place) == "index" and index_info(place).json()["name"] == "index"
    record = json.loads((place / RECORD).read_text())
    del record["name"]  # as older versions wrote it
    (place / RECORD).write_text(json.dumps(record))
    assert told(place) == "index"
    index_frozen(clips, place, encoders=choice, name=NAME)  # nothing new but that
    assert told(place) == NAME and index_info(place).name == NAME
    assert len(search(place, "bell")) == 3
    index_frozen(clips, place, encoders=choice)
    assert told(place) == NAME  # it is kept
    assert told(place, archive_name="Zu Gast") == "Zu Gast"
    assert read_record(place).name == NAME
    ran = CliRunner().invoke(cli.app, ["index-info", str(place)])
    assert f"\nname: {NAME}\n" in f"\n{ran.stdout}"


def test_a_new_index_has_the_name_at_once(made, tmp_path):
    _, clips, choice = made
    index_frozen(clips, tmp_path / "index", encoders=choice, name=NAME)
    assert read_record(tmp_path / "index").name == NAME


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "\x1b[2J", "x" * 101])
def test_what_cannot_be_shown_in_a_line_is_no_name(made, tmp_path, name, monkeypatch):
    folder, clips, choice = made
    with pytest.raises(ConfigError, match="is no name of an archive: give 1 to 100 characters"):
        index_frozen(clips, tmp_path / "index", encoders=choice, name=name)
    assert not (tmp_path / "index").exists()
    with pytest.raises(ConfigError, match="is no name of an archive"):
        read_settings(archive_name=name)
    record = json.loads((folder / "index" / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps(record | {"name": name}))
    with pytest.raises(DataError, match="is no name of an archive"):
        read_record(tmp_path)
