"""What a release stands on: its version, what it depends on and why, the workflows, the image, the citation."""

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from tools import check_dist, weigh

import avgzsl
from tests.processes import started

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)
EXTRAS = PROJECT["project"]["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][\w-]*):(?!=)", MAKEFILE, re.M))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text()


# version and changelog


def test_the_version_stands_in_one_place_and_all_else_agrees():
    assert "version" not in PROJECT["project"] and PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "avgzsl.__version__"}
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == avgzsl.__version__


def test_the_changelog_has_this_version_first_with_its_day_and_what_to_do():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    versions = [head for head in heads if head != "Unreleased"]
    assert versions[0].split(" - ")[0] == avgzsl.__version__
    days = [date.fromisoformat(version.split(" - ")[1]) for version in versions]
    assert days == sorted(days, reverse=True)
    assert "### What to do after 0.1" in (ROOT / "CHANGELOG.md").read_text()


# dependencies


def requirements() -> list[str]:
    groups = [PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"], *EXTRAS.values()]
    return [requirement for group in groups for requirement in group]


@pytest.mark.parametrize("requirement", sorted(set(requirements())))
def test_every_dependency_says_why_it_is_there(requirement):
    lines = [line for line in PYPROJECT.splitlines() if f'"{requirement}"' in line]
    assert lines and all(re.search(r"# \S.{3,}", line) for line in lines), f"{requirement}: no reason in pyproject.toml"


def test_every_extra_has_a_reason_that_the_document_shows():
    assert set(weigh.reasons()) == set(EXTRAS) - set(weigh.NOT_WEIGHED)


def test_all_is_all_that_a_user_may_want():
    (everything,) = EXTRAS["all"]
    assert Requirement(everything).extras == set(EXTRAS) - {"all", "dev", "docs", "pe-av"}


def test_every_library_that_the_tests_run_with_is_pinned():
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    known = {name.lower().replace("_", "-") for name in pinned}
    named = {Requirement(one).name.lower().replace("_", "-") for one in requirements()} - {"avgzsl", "timm"}
    assert named <= known, "run `make pins`"


def test_the_core_has_no_library_that_only_an_extra_needs():
    code = "import sys; [sys.modules.__setitem__(n, None) for n in sys.argv[1:]]; import avgzsl\n" + (
        "for name in avgzsl.__all__: getattr(avgzsl, name)\navgzsl.list_engines(), avgzsl.list_backbones()"
    )
    names = {Requirement(one).name for group in EXTRAS.values() for one in group} - {"avgzsl"}
    modules = {"scikit-learn": "sklearn", "faiss-cpu": "faiss", "ai-edge-litert": "ai_edge_litert"}
    given = [modules.get(name, name.replace("-", "_")) for name in names if name in ("pyarrow", "gensim", *modules)]
    subprocess.run([sys.executable, "-c", code, *given], check=True)


def test_the_table_of_weights_counts_what_an_extra_adds():
    found = {None: {"torch": 750_000_000, "six": 30_000}, "tsne": {"scikit-learn": 51_400_000, "joblib": 900_000}}
    lines = weigh.table(found).splitlines()
    assert lines[2] == "| `avgzsl` | the core | 750 | torch 750 |"
    assert lines[3].startswith("| `avgzsl[tsne]` | t-SNE: ") and lines[3].endswith("| +52 | scikit-learn 51 |")


def test_the_document_has_a_line_for_every_extra():
    text = (ROOT / "docs" / "libraries.md").read_text()
    lines = re.findall(r"^\| `(avgzsl[^`]*)` \|.* \| \+?([\d,.]+) \|", text, re.M)
    assert [name for name, _ in lines] == ["avgzsl", *(f"avgzsl[{extra}]" for extra in weigh.reasons())]
    why = {f"avgzsl[{extra}]": reason for extra, reason in weigh.reasons().items()}
    assert all(f"| `{name}` | {reason} | +" in text for name, reason in why.items()), "run `make weigh`"
    assert float(lines[0][1].replace(",", "")) <= 1350, "the core is to weigh no more than 1,350 MB"


# what is built


def test_what_is_no_part_of_a_distribution_is_seen():
    needed = check_dist.read_by_the_package()
    assert {"avgzsl/py.typed", "avgzsl/__init__.pyi", "avgzsl/server/page/index.html"} <= needed
    assert check_dist.faults("wheel", [*needed, "avgzsl-0.2.0.dist-info/METADATA"], 1) == []
    assert check_dist.faults("sdist", check_dist.SDIST_NEEDS, 1) == []
    for kind, names, size in (
        ("wheel", needed - {"avgzsl/py.typed"}, 1),
        ("wheel", {*needed, "tests/conftest.py"}, 1),
        ("wheel", needed, check_dist.MOST["wheel"] + 1),
        ("sdist", check_dist.SDIST_NEEDS[1:], 1),
        ("sdist", [*check_dist.SDIST_NEEDS, "tests/clip.mp4"], 1),
        ("sdist", [*check_dist.SDIST_NEEDS, "src/avgzsl/__pycache__/x.pyc"], 1),
    ):
        assert len(check_dist.faults(kind, names, size)) == 1


def test_what_the_source_distribution_needs_is_there():
    assert [name for name in check_dist.SDIST_NEEDS if not (ROOT / name).is_file()] == []


# workflows and hooks


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_only_call_make_and_may_do_little(path):
    text = path.read_text()
    found = yaml.safe_load(text)
    assert found["permissions"] in ({}, {"contents": "read"})
    for name, job in found["jobs"].items():
        assert job["timeout-minutes"] <= 120 and "latest" not in str(job["runs-on"]), name
        for rights in job.get("permissions", {}).items():
            assert rights in {("contents", "read"), ("id-token", "write")}, name
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", step.get("uses", "a/b@v1")), step
            if "run" in step:
                command, *words = step["run"].split()
                assert command == "make" and {word for word in words if "=" not in word} <= TARGETS, step["run"]
    assert "secrets." not in text and "password" not in text and "://" not in text


def test_the_workflows_there_are():
    assert {path.stem for path in WORKFLOWS} == {"tests", "docs", "publish"}
    tests = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    versions = tests["tests"]["strategy"]["matrix"]["python"]
    said = [one.rpartition(" ")[2] for one in PROJECT["project"]["classifiers"] if ":: 3." in one]
    assert versions == said and f">={versions[0]}" == PROJECT["project"]["requires-python"]
    publish = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text())["jobs"]
    assert [name for name, job in publish.items() if "id-token" in job.get("permissions", {})] == ["publish"]
    assert not any("run" in step for step in publish["publish"]["steps"])


def test_what_a_contributor_s_hooks_call_is_part_of_make_check():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    checked = re.search(r"^check: (.*)$", MAKEFILE, re.M)[1].split()
    for hook in hooks[0]["hooks"]:
        command, target = hook["entry"].split()
        assert (command, hook["language"]) == ("make", "system") and target in checked


# the image


def instruction(name: str) -> list[str]:
    """The values of an instruction, each on one line."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M))
    return re.findall(rf"^{name} (.*)$", text, re.M)


def environment() -> dict[str, str]:
    """The variables of the last stage."""
    return dict(word.split("=", 1) for word in instruction("ENV")[-1].split())


def test_the_image_runs_as_nobody_in_particular_and_writes_to_tmp_alone():
    assert instruction("USER") == ["10001:10001"]
    assert {environment()[name].split("/")[1] for name in ("HOME", "AVGZSL_CACHE", "AVGZSL_STATE")} == {"tmp"}
    assert len(instruction("FROM")) == 2 and all(":latest" not in image for image in instruction("FROM"))


def test_the_image_has_the_files_that_it_is_built_from():
    copied = {name for words in instruction("COPY")[:2] for name in words.split()[:-1]}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept and all((ROOT / name).exists() for name in copied)
    read = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml"}
    assert read <= copied


def test_the_image_serves_where_home_cannot_be_written_and_its_health_is_told(tmp_path):
    """The steps of the image by hand: its command, its variables, its check of health."""
    from tests import clip_runs

    clips = clip_runs.clips(tmp_path / "clips")
    run = clip_runs.train(clip_runs.dataset(clips), tmp_path / "run").folder
    avgzsl.index(run, tmp_path / "clips", tmp_path / "index")
    own, written = environment(), tmp_path / "tmp"
    written.mkdir()
    variables = {name: value.replace("/tmp", str(written)) for name, value in own.items() if name != "PATH"}
    variables |= {"AVGZSL_SERVE_TOKEN": "0123456789abcdef", "AVGZSL_SERVE_PORT": "0", "TMPDIR": str(written)}
    variables |= {"HOME": "/proc/nowhere", "AVGZSL_MODELS": "/proc/nowhere/models"}
    command = json.loads(instruction("CMD")[-1])
    assert command == ["serve", "/index"] and json.loads(instruction("ENTRYPOINT")[0]) == ["avgzsl"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*")}
    served = [sys.executable, "-m", "avgzsl", command[0], tmp_path / "index"]
    with started(served, env=variables, cwd="/proc", stdout=-1, stderr=-2) as server:
        said = ""
        while "served at" not in said:
            said = server.stdout.readline()
            assert said, "the server ended"
        port = re.search(r":(\d+)/", said)[1]
        python, *words = json.loads(instruction("HEALTHCHECK")[0].partition("CMD ")[2])
        assert python == "python"
        healthy = [sys.executable, *words]
        asked = {**os.environ, "AVGZSL_SERVE_PORT": port, "http_proxy": "http://127.0.0.1:9"}
        assert subprocess.run(healthy, env=asked).returncode == 0
    gone = subprocess.run(healthy, env=asked, stderr=subprocess.DEVNULL)
    assert gone.returncode == 1
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*")} == before


# the citation


def test_the_citation_has_what_readers_of_it_need():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited.keys() >= {"cff-version", "message", "title", "authors", "version", "date-released", "license"}
    paper = cited["preferred-citation"]
    assert paper.keys() >= {"type", "title", "authors", "year", "collection-title", "identifiers"}
    assert all(author.keys() == {"family-names", "given-names"} for author in paper["authors"])
    bib = (ROOT / "src/avgzsl/methods/references.bib").read_text()
    number = re.search(r"@inproceedings\{avgzslnet,.*?eprint = \{([\d.]+)\}", bib, re.S)[1]
    assert [one["value"] for one in paper["identifiers"]] == [f"arXiv:{number}"]
    heads = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {cited['version']} - {cited['date-released']}" in heads
