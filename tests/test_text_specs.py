"""How a part of class text is asked for: the grammar, the sets of prompts, the tables of sentences."""

from importlib import resources
from pathlib import Path

import pytest

from avgzsl.errors import ConfigError, DataError
from avgzsl.text.descriptions import read_descriptions
from avgzsl.text.part_spec import THEIRS, PartSpec, parse_part, parse_parts
from avgzsl.text.prompt_sets import prompt_sets, read_prompts

READ = {
    "minilm": PartSpec("minilm"),
    "own": THEIRS,
    "own=words:v.bin": PartSpec("words:v.bin", own=True),
    "audio=own=clap": PartSpec("clap", own=True, modality="audio"),
    "video=own": PartSpec(None, own=True, modality="video"),
    "video=clip:openai/clip+prompts=photo": PartSpec("clip:openai/clip", modality="video", prompts="photo"),
    "minilm,overrides=a+b.csv": PartSpec("minilm,overrides=a+b.csv"),
    "words:a+b=c.vec": PartSpec("words:a+b=c.vec"),
    "minilm+descriptions=d/s.csv:what,how": PartSpec("minilm", descriptions="d/s.csv", columns=("what", "how")),
    "minilm+descriptions=C:\\s.csv": PartSpec("minilm", descriptions="C:\\s.csv"),
    "minilm+prompts=p.txt+descriptions=s.csv": PartSpec("minilm", prompts="p.txt", descriptions="s.csv"),
}


@pytest.mark.parametrize("spec", READ)
def test_a_part_is_read_and_written_again(spec: str) -> None:
    assert parse_part(spec) == READ[spec]
    assert str(READ[spec]) == spec


def test_words_come_in_any_order() -> None:
    assert str(parse_part("minilm+descriptions=s.csv:a+prompts=photo")) == "minilm+prompts=photo+descriptions=s.csv:a"


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("", "names no encoder"),
        ("audio=", "names no encoder"),
        ("own=", "own= names no encoder"),
        ("sound=clap", "sound= is not known here"),
        ("own=audio=clap", "audio= is not known here"),
        ("audio=video=clap", "video= is not known here"),
        ("own=own", "not an encoder"),
        ("own:file", "not an encoder"),
        ("minilm+prompts=", "prompts= names nothing"),
        ("minilm+prompts=a+prompts=b", "prompts= is there twice"),
        ("minilm+descriptions=:a", "lacks its file"),
        ("minilm+descriptions=s.csv:a,", "name of a column"),
        ("minilm+descriptions=s.csv:a,a", "is there twice"),
        ("minilm+description=s.csv", r"did you mean \+descriptions="),
        ("own+prompts=photo", "own=ENCODER"),
        ("own=minilm+descriptions=s.csv", "has no descriptions"),
    ],
)
def test_a_part_that_cannot_be_read_says_why_and_what_a_part_is(spec: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s){fault}.*expected \[audio=\|video=\]ENCODER"):
        parse_part(spec)


def test_parts_are_given_once() -> None:
    assert parse_parts(()) == (THEIRS,)
    assert len(parse_parts(["own", "minilm", "audio=minilm", "minilm+prompts=photo"])) == 4
    with pytest.raises(ConfigError, match="'minilm' of the text is given twice"):
        parse_parts(["minilm", "minilm"])
    with pytest.raises(ConfigError, match="audio=own and video=own"):
        parse_parts(["audio=own", "video=own"])


def test_the_sets_of_prompts() -> None:
    assert prompt_sets() == {"clipclap-ucf": 48, "languagebind": 3, "none": 1, "photo": 5, "sound": 5, "video": 5}
    assert read_prompts("none").templates == ("{}",)
    assert read_prompts("video").templates[0] == "a video of {}"
    ucf = read_prompts("clipclap-ucf").templates
    assert ucf[0] == "a photo of a person {}." and "a demonstration of the person practicing {}." in ucf
    assert read_prompts("languagebind").templates[2] == "the human action {}"


def test_the_sets_of_prompts_are_installed() -> None:
    folder = resources.files("avgzsl.text") / "prompts"
    assert {file.name for file in folder.iterdir()} == {f"{name}.txt" for name in prompt_sets()}
    assert "text/prompts/*.txt" in (Path(__file__).parents[1] / "pyproject.toml").read_text()


def test_a_file_of_prompts(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("# of birds\n\nthe bird {}\nits {} song\n")
    read = read_prompts(str(tmp_path / "mine.txt"))
    assert (read.name, read.templates) == ("mine.txt", ("the bird {}", "its {} song"))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "0 templates"),
        ("a bird", "line 1: 'a bird'; expected a template with one {}"),
        ("{} and {}", "line 1"),
        ("{}\n{}", "twice"),
        ("{}\nx\0{}", "line 2"),
        ("{}" + "x" * 1000, "at most 1000"),
    ],
)
def test_a_file_of_no_prompts(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "mine.txt").write_text(content)
    with pytest.raises(DataError, match=fault):
        read_prompts(str(tmp_path / "mine.txt"))


def test_prompts_that_are_not_there() -> None:
    with pytest.raises(ConfigError, match="unknown set of prompts 'fotos'; did you mean photo"):
        read_prompts("fotos")


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "s.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_table_of_sentences_is_read_by_columns(tmp_path: Path) -> None:
    path = table(tmp_path, 'name,id,what,how\nchurch bell,1,"big, of bronze",\nDog,2, barks \n'.replace("barks", "x,y"))
    read = read_descriptions(path)
    assert read.record.columns == ("what", "how")  # numbers are no text
    assert read.sentences == {"church bell": ("big, of bronze",), "Dog": ("x", "y")}
    one = read_descriptions(path, ["how"])
    assert one.sentences["Dog"] == ("y",) and one.record.sha256 == read.record.sha256
    with pytest.raises(ConfigError, match="unknown column 'whta'; did you mean what"):
        read_descriptions(path, ["whta"])


def test_classes_are_found_however_they_are_written(tmp_path: Path) -> None:
    read = read_descriptions(table(tmp_path, "label,d\nApply Eye Makeup,a\nchurch_bell,b\nYoYo,c\n"))
    names = ["ApplyEyeMakeup", "Church Bell", "yo yo", "YoYo"]
    assert read.of(names) == dict(zip(names, [("a",), ("b",), ("c",), ("c",)], strict=True))


def test_a_loose_spelling_of_two_classes_is_none(tmp_path: Path) -> None:
    read = read_descriptions(table(tmp_path, "label,d\nYo Yo,a\nyo-yo,b\n"))
    assert read.find(["YOYO"]) == {} and read.find(["yo-yo"]) == {"yo-yo": ("b",)}


def test_classes_without_a_sentence_are_counted_and_some_are_named(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(40)]
    path = table(tmp_path, "label,d\n" + "".join(f"{name},\n" for name in names[1:]) + "class 0,x\n")
    with pytest.raises(DataError, match=r"no sentence for 39 of 40 classes") as caught:
        read_descriptions(path).of(names)
    assert "'class 1', 'class 2'" in str(caught.value) and "'class 10' and 29 more. Write" in str(caught.value)
    assert "'class 11'" not in str(caught.value) and str(path) in str(caught.value)
    assert "avgzsl describe" in str(caught.value) and "'class 0'" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is empty"),
        ("original,manual\na,b\n", "its columns are original, manual; expected a column label or name"),
        ("label\na\n", "no column of text"),
        ("label,n\na,1\nb,2.5\n", "no column of text"),
        ("label,d,d\na,b,c\n", "names that differ"),
        ("label,d\na,b,c\n", "line 2: 3 cells; expected 2"),
        ('label,d\na,"b', "not readable as csv"),
        (b"label,d\na,\xff\n", "not readable as csv"),
        ("label,d\n ,b\n", "line 2: .*empty or blank"),
        ("label,d\na,b\na,c\n", "line 3: 'a' has other sentences already"),
        ("label,d\na,b\0c\n", "line 2|not readable"),
        ("label,d\na," + "x" * 10_001 + "\n", "line 2: a text of 10,001 characters"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, content: str | bytes, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        read_descriptions(table(tmp_path, content))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no descriptions n\.csv \(looked for .*avgzsl describe DATA --out n\.csv"):
        read_descriptions("n.csv", models=tmp_path)
    table(tmp_path, "label,d\na,b\n")
    assert read_descriptions("s.csv", models=tmp_path).sentences == {"a": ("b",)}


def test_the_name_counts_as_a_sentence_where_its_column_is_asked_for(tmp_path: Path) -> None:
    """KDA's form: the name and three descriptions."""
    path = table(tmp_path, "name,what,look,sound\nchurch bell,w,l,s\nDog,w,,\nCat,,,\n")
    read = read_descriptions(path, ["name", "what", "look", "sound"])
    assert read.record.columns == ("name", "what", "look", "sound")
    assert read.of(["church-bell", "Dog"]) == {"church-bell": ("church bell", "w", "l", "s"), "Dog": ("Dog", "w")}
    with pytest.raises(DataError, match="no sentence for 1 of 2 classes: 'Cat'"):
        read.of(["Dog", "Cat"])
    with pytest.raises(DataError, match="no column of text beside name"):
        read_descriptions(path, ["name"])


def test_classes_are_found_by_any_name_that_is_known(tmp_path: Path) -> None:
    read = read_descriptions(table(tmp_path, "label,d\nWeight Lifting,a\nPull Ups,b\nZebra,c\n"))
    others = {"CleanAndJerk": ("Weight Lifting",), "PullUps": ("Zebra",), "Swim": ("Swimming",)}
    known = read.known_as(others)
    assert known.of(["CleanAndJerk", "PullUps", "Zebra"]) == {
        "CleanAndJerk": ("a",),
        "PullUps": ("b",),
        "Zebra": ("c",),
    }
    assert known.record == read.record
    with pytest.raises(DataError, match="no sentence for 1 of 3 classes: 'Swim'"):
        known.of(list(others))
