"""The documents say what is there. The shell of the tutorials is run by `test_tutorials`."""

import ast
import importlib
import re
import shlex
import unicodedata
from pathlib import Path

import pytest
from tools.reference import http, pages
from tools.reference.commands import commands
from tools.reference.environment import OTHERS, environment
from typer.main import get_command

import avgzsl
from avgzsl import cli
from avgzsl.archive import clip_table, collection, embeddings, index_record, recall_record, standard_record
from avgzsl.archive.writer import LOCK
from avgzsl.experiments import calibration, run, run_record
from avgzsl.experiments.baselines import BASELINES
from avgzsl.methods import build, parse_override
from avgzsl.recognition import encoders
from avgzsl.server.settings import PREFIX

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]


def blocks(kind: str) -> list[str]:
    """The blocks of a language, of all pages."""
    return [block for page in PAGES for block in re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.M | re.S)]


WHOLE = [re.sub(r"\\\n *", "", block) for block in blocks("sh")]  # a command that goes on in the next line is one
LINES = sorted({line for block in WHOLE for line in block.splitlines() if line.startswith("avgzsl ")})


def test_every_command_is_printed_somewhere():
    for name in get_command(cli.app).commands:
        assert any(line.split()[1] == name for line in LINES) or name == "demo", name


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_parses(line):
    words = shlex.split(line)[1:]
    command = get_command(cli.app).commands[words[0]]
    with command.make_context(words[0], words[1:]) as context:
        settings = dict(map(parse_override, context.params.get("settings") or []))
        if words[0] == "train":
            build(context.params["method"], context.params["preset"], settings)


LISTINGS = {
    "methods": ("list_methods",),
    "layouts": ("list_layouts",),
    "encoders": ("list_backbones", "list_text_encoders"),
    "engines": ("list_engines",),
    "open": ("open_folder",),
}


def test_every_command_is_a_call_in_python():
    (python,) = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "python.md").read_text(), re.S)
    assert python.startswith("import avgzsl\n")
    calls = set(re.findall(r"\b(avgzsl|run)\.(\w+)\(", python))
    for command in get_command(cli.app).commands:
        for name in LISTINGS.get(command, [command.replace("-", "_")]):
            assert {("avgzsl", name), ("run", name)} & calls, command
    for owner, name in calls:
        assert callable(getattr(avgzsl if owner == "avgzsl" else avgzsl.Run, name))


def test_the_readme_is_one_screen_with_rows_of_the_whole_table():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 100
    rows = [line for line in lines if " ± " in line and line.startswith("| ")]
    assert rows and set(rows) <= set((DOCS / "real-set.md").read_text().splitlines())


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_every_benchmark_needs_what_is_installed_alone(path):
    importlib.import_module(f"benchmarks.{path.stem}")


def test_every_make_target_named_in_the_documents_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        for names in re.findall(r"(?:^    |`|^)make ([a-z][a-z -]*[a-z])", page.read_text(), re.M):
            assert set(names.split("  ")[0].split()) <= targets, f"{page.name}: make {names}"


def test_every_test_that_the_documents_name_exists():
    for file in PAGES:
        for path, name in re.findall(r"`(tests/\w+\.py)(?:::(\w+))?`", file.read_text()):
            assert (ROOT / path).is_file(), f"{file.name}: {path}"
            there = {
                node.name
                for node in ast.walk(ast.parse((ROOT / path).read_text()))
                if isinstance(node, ast.FunctionDef)
            }
            assert not name or name in there, f"{file.name}: {path}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s:]+)\)", without_code(page)):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if path in MADE:
            continue
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


MADE = {"genindex.html"}  # pages that the build adds


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links to them are written."""
    headings = re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {slug(heading) for heading in headings}


def slug(heading: str) -> str:
    plain = unicodedata.normalize("NFC", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def test_modules_in_the_architecture_are_the_modules_there_are():
    named = set(re.findall(r"`(\w+)/?`", (ROOT / "docs" / "architecture.md").read_text().split("## The contract")[0]))
    there = {path.stem for path in (ROOT / "src" / "avgzsl").iterdir() if not path.name.startswith("_")} - {
        "py",
        "errors",
        "types",
    }
    assert there <= named


def test_every_public_name_is_in_the_reference_once():
    page = (DOCS / "reference" / "python.md").read_text()
    assert sorted(re.findall(r"^\.\. auto\w+:: avgzsl\.(\w+)$", page, re.M)) == sorted(avgzsl.__all__)


def test_every_variable_of_the_environment_is_in_the_reference():
    own = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"\bAVGZSL_[A-Z][A-Z_]*[A-Z]\b", path.read_text())
        if not name.startswith(PREFIX)
    }
    assert own == {name for name in OTHERS if name.startswith("AVGZSL_") and not name.startswith(PREFIX)}
    others = ", ".join(name for name in OTHERS if not name.startswith("AVGZSL_")) + " ".join(OTHERS.values())
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    cards = "".join(path.read_text() for path in (ROOT / "src").rglob("*.yaml"))
    read_by_libraries = {"FORWARDED_ALLOW_IPS"}
    for name in set(re.findall(r"\b[A-Z][A-Z_]{5,}\b", others)) - set(OTHERS) - read_by_libraries:
        assert name in source or name in cards, name
    assert f"| `{PREFIX}TOKEN` | none | " in environment()


def test_commands_are_in_the_reference_as_their_help_says_it():
    made = commands()
    for name in get_command(cli.app).commands:
        assert f"## `avgzsl {name}`" in made
    assert "--only-likely" in made and "\x1b" not in made


def test_routes_and_answers_are_in_the_reference_as_the_api_describes_them():
    made = f"{http.routes()}\n\n{http.answers()}"
    paths = http.document()["paths"]
    assert "/v1/search" in paths
    for path, ways in paths.items():
        for way in ways:
            assert f"### `{way.upper()} {path}`" in made
    linked = set(re.findall(r"\]\(#(\w+)\)", made))
    assert linked <= {name.lower() for name in re.findall(r"^### (\w+)$", made, re.M)}
    assert "| `k` | integer | How many hits. (at least 1; at most 200; default 24) |" in made


def test_files_and_their_formats_are_those_of_the_code():
    page = (DOCS / "reference" / "files.md").read_text()
    formats = {
        run_record.CONFIG: run_record.FORMAT,
        calibration.RECOGNITION: calibration.FORMAT,
        index_record.RECORD: index_record.FORMAT,
        standard_record.STANDARD: standard_record.FORMAT,
        recall_record.RECALL: recall_record.FORMAT,
    }
    for name, number in formats.items():
        assert f"| `{name}` (format {number}) |" in page, name
    files = [run.CLASSES, run.MODEL, run.HISTORY, run.RESULTS, BASELINES, clip_table.FILE, embeddings.FILE, LOCK]
    folders = [collection.RUN, collection.ENGINE, collection.STORES, encoders.CARDS, encoders.WEIGHTS]
    for name in (*files, *(f"{folder}/" for folder in folders)):
        assert f"`{name}`" in page, name


def test_every_mark_in_the_documents_is_made():
    named = {
        name for page in DOCS.rglob("*.md") for name in re.findall(r"^<!-- made: (\S+) -->$", page.read_text(), re.M)
    }
    assert named == set(pages.PARTS)
