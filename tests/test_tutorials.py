"""Every tutorial is run as it stands, in an empty folder; the tool that runs them tells what fails."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes import started
from tests.small_weights import save_clap, save_clip

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted(path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md") if path.stem != "index")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """What `avgzsl fetch clip clap` brings, but small, so that nothing is asked of a network."""
    folder = tmp_path_factory.mktemp("models")
    for place, save in (("openai/clip-vit-base-patch32", save_clip), ("laion/clap-htsat-unfused", save_clap)):
        (folder / place).parent.mkdir()
        save(folder / place, longest=120)  # these tokenisers take each letter for a word
    return folder


def run(file: Path, folder: Path, **environment: str) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    folder.mkdir()
    places = {"AVGZSL_CACHE": str(folder.parent / "cache"), "AVGZSL_STATE": str(folder.parent / "state")}
    command = [sys.executable, ROOT / "tools" / "run_blocks.py", file, folder]
    environment = {**places, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", **environment}
    with started(command, env=environment, stdout=-1, stderr=-2, start_new_session=True) as process:
        try:
            printed, _ = process.communicate(timeout=570)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it started goes with it
    return process.returncode, printed


@pytest.mark.timeout(600)  # up to ten commands, each of which starts Python: a minute where nothing else runs
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_as_it_stands(name, models, tmp_path):
    code, printed = run(ROOT / "docs" / "tutorials" / f"{name}.md", tmp_path / "work", AVGZSL_MODELS=str(models))
    assert code == 0, printed[-4000:]


@pytest.mark.parametrize(
    "block",
    [
        "```sh\nfalse\ntrue\n```",
        "```sh\nfalse | true\n```",
        "```sh\navgzsl inspect nowhere\n```",
        "```sh\navgzsl serve nowhere\n```",
        "```python\nraise SystemExit(1)\n```",
        "```{code-cell} ipython3\n1 / 0\n```",
        "```{code-cell} ipython3\n!false\n```",
        "```{code-cell} ipython3\n%%bash\nfalse\n```",
    ],
)
def test_a_block_that_fails_is_a_failure(block, tmp_path):
    file = tmp_path / "page.md"
    file.write_text(f"# A page\n\n{block}\n")
    assert run(file, tmp_path / "work")[0] != 0


def test_blocks_share_a_folder_and_what_was_set(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(
        "```sh\nexport WORD=found\n```\n"
        "```python\nimport os\nopen('word.txt', 'w').write(os.environ['WORD'])\n```\n"
        '```text\nfalse\n```\n```sh\ntest "$(cat word.txt)" = found\n```\n'
    )
    assert run(file, tmp_path / "work") == (0, "")
