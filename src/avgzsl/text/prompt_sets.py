"""Sentences that a name is put into before it is encoded: named sets of this package, or a file of the user's.

A set is a text file, a template a line with one `{}` for the name; a line that begins with `#` is a comment.
"""

from importlib import resources
from pathlib import Path

from avgzsl.errors import ConfigError, DataError
from avgzsl.support.registry import unknown
from avgzsl.support.trust import read_text
from avgzsl.text.part_record import Prompts

PLACE = "{}"
USUAL = Prompts("video", ("a video of {}",))  # of a name without a sentence, in a part that has descriptions
MOST = 1000  # templates
_LARGEST = 1 << 20  # bytes
_LONGEST = 1000  # characters of a template


def prompt_sets() -> dict[str, int]:
    """The names of the sets that come with the package, and how many templates each has."""
    return {file.name.removesuffix(".txt"): len(_templates(file.name, file.read_text("utf-8"))) for file in _files()}


def read_prompts(name: str) -> Prompts:
    """The set of that name, else the file. Raises ConfigError for what is neither, DataError for a file of no set."""
    for file in _files():
        if file.name == f"{name}.txt":
            return Prompts(name, _templates(file.name, file.read_text("utf-8")))
    path = Path(name)
    if not path.is_file():
        known = [file.name.removesuffix(".txt") for file in _files()]
        raise ConfigError(f"{unknown('set of prompts', name, known)}, or give a file with a template a line")
    try:
        content = read_text(path, DataError, _LARGEST)
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: not readable ({problem}); expected text in UTF-8, a template a line") from problem
    return Prompts(path.name, _templates(str(path), content))


def filled(template: str, name: str) -> str:
    """The sentence that a template makes of a name."""
    return template.replace(PLACE, name)


def _templates(where: str, content: str) -> tuple[str, ...]:
    lines = {number: line.strip() for number, line in enumerate(content.splitlines(), 1)}
    templates = {number: line for number, line in lines.items() if line and not line.startswith("#")}
    for number, template in templates.items():
        if template.count(PLACE) != 1 or len(template) > _LONGEST or not template.isprintable():
            raise DataError(
                f"{where}: line {number}: {template[:60]!r}; expected a template with one {PLACE} for the name, of at "
                f"most {_LONGEST} characters"
            )
    if not 1 <= len(templates) <= MOST:
        raise DataError(f"{where}: {len(templates)} templates; expected 1 to {MOST}, one a line with one {PLACE} each")
    if len(set(templates.values())) != len(templates):
        raise DataError(f"{where}: a template is there twice, and would count twice; keep one")
    return tuple(templates.values())


def _files() -> list[resources.abc.Traversable]:
    folder = resources.files("avgzsl.text") / "prompts"
    return sorted((file for file in folder.iterdir() if file.name.endswith(".txt")), key=lambda file: file.name)
