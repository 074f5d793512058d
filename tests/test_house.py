"""The structure of packages: every number of a small one by hand, and the arrows of real ones against grimp."""

import importlib.util
from pathlib import Path

import grimp
import pytest
from benchmarks import house
from benchmarks.structure import circles, from_the_top, read_package, upward

TOWN = {
    "__init__.py": '"""Town: a small package.\n\nMore of it."""\n\nfrom town.shop import sell\n',
    "__main__.py": "import town.shop\n\ntown.shop.sell(1)\n",
    "errors.py": '"""Errors."""\n\n\nclass TownError(Exception):\n    """Any."""\n',
    "shop.py": '''"""A shop | loose."""
# a comment
from town.market import stall


def sell(price, *names: str, **more: int) -> None:
    """Sells."""
    import town.bank.vault  # only here

    # and gone
    print(
        price,
    )


def _count(a: int) -> int:
    def inner():
        return 1

    return inner()
''',
    "market/__init__.py": '"""Where things are sold.\nAnd bought."""\n',
    "market/base.py": '''from typing import overload
from jaxtyping import Float
import torch
from torch import Tensor

Plane = Float[Tensor, "h w"]
Rows: TypeAlias = Float[Tensor, "n d"]


class Stall:
    """A stall."""

    size: int = 1
    """Its size."""

    def __init__(self, a, b, c, d, e, f, g, h, i):
        pass

    @staticmethod
    def open(clips: Plane, more: "list[Tensor]") -> Float[Tensor, " n"]: ...

    @classmethod
    def made(cls, arrays: Rows | None) -> "Stall":
        """Made."""

    @overload
    def get(self, a: int) -> int: ...

    def get(self, a):
        return a


class _Hidden:
    def shown(self, one: torch.Tensor, all: dict[str, "Int[Tensor, ' n']"], f: Callable[[Tensor], Tensor]) -> None: ...
''',
    "market/stall.py": """from typing import TYPE_CHECKING

from ..bank.vault import Vault
from . import base

if TYPE_CHECKING:
    from town.bank import base as money
    import town.street.lamp
else:
    money = None


class Stall(base.Stall):
    pass
""",
    "bank/__init__.py": "",
    "bank/vault.py": '''"""Money."""
import town.errors
from town.street.lamp import light


class Vault:
    def _lock(self) -> None:
        try:
            from town.bank.base import Base
        except ImportError:
            pass

        def turn(key) -> None:
            class Stall: ...
''',
    "bank/base.py": 'class Base:\n    """Base."""\n',
    "street/lamp.py": '''def light(on: bool = True) -> bool:
    """Lit."""
    text = """a

    b"""
    return on and text
''',
    ".tool/left.py": "import town.bank\n",
}
NUMBERS = {
    "rooms": "4",
    "modules directly inside the package": "4",
    "modules": "11",
    "lines of code": "60",
    "arrows between rooms": "4",
    "… upward": "0 (in circles)",
    "… more for types only": "1",
    "circles of rooms": "0",
    "circles of modules": "0",
    "lines of code a module (median / 90th percentile / largest)": "2 / 10 / 20",
    "lines of code a function (median / 90th percentile / largest)": "1 / 4 / 6",
    "parameters a public function (median / 90th percentile / largest)": "1.5 / 9 / 9",
    "functions over 40 lines of code": "0",
    "functions over 40 lines, signature and docstring counted": "0",
    "modules over 300 lines, all lines counted": "0",
    "public functions with more than 8 parameters": "1",
    "functions with all types": "54 % (6 of 11)",
    "array parameters with a shape": "60 % (3 of 5)",
    "public functions and classes with a docstring": "71 % (5 of 7)",
    "public methods with a docstring": "33 % (1 of 3)",
    "file names that occur more than once": "1",
    "class names that occur more than once": "1",
}
BACK = "\n\ndef back():\n    import town.market.base\n"


def build(folder: Path, **more: str) -> Path:
    """The town below a folder; `more` is added to the ends of files."""
    for name, text in TOWN.items():
        path = folder / "town" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + more.get(path.stem, ""))
    return folder / "town"


def values(town: Path) -> dict[str, str]:
    return {one.title: one.value for one in house.numbers(read_package(town))}


def test_every_number_of_a_small_package(tmp_path):
    assert values(build(tmp_path)) == NUMBERS


def test_names_are_behind_the_numbers(tmp_path):
    names = {one.title: list(one.names) for one in house.numbers(read_package(build(tmp_path))) if one.names}
    assert names == {
        "… more for types only": ["market → street"],
        "public functions with more than 8 parameters": ["town.market.base.Stall.__init__"],
        "file names that occur more than once": ["base.py (2)"],
        "class names that occur more than once": ["Stall (2)"],
    }


def test_rooms_from_top_to_bottom(tmp_path):
    assert [tuple(room) for room in house.rooms(read_package(build(tmp_path)))] == [
        ("shop", "A shop | loose.", 1, 10, ["market", "bank"], [], set()),
        ("market", "Where things are sold.", 3, 30, ["bank"], ["shop"], set()),
        ("bank", "", 3, 11, ["street"], ["shop", "market"], set()),
        ("street", "", 1, 5, [], ["bank"], set()),
        ("(ground floor)", "Town: a small package.", 3, 4, [], [], set()),
    ]


def test_a_circle_of_rooms_and_one_of_modules(tmp_path):
    found = values(build(tmp_path, lamp=BACK))
    assert (found["circles of rooms"], found["circles of modules"]) == ("1 (3 rooms in them)", "0")
    assert found["… upward"] == "3 (in circles)"
    found = values(build(tmp_path, lamp="\n\nimport town.bank.vault\n"))
    assert (found["circles of rooms"], found["circles of modules"]) == ("1 (2 rooms in them)", "1 (2 modules in them)")


def test_an_import_of_what_is_no_python_file_leads_to_its_folder(tmp_path):
    """As of a compiled module."""
    package = read_package(build(tmp_path, lamp="\n\nfrom town.market._fast import one\nimport town.bank._fast\n"))
    found = {other for one, other in package.arrows if one == "town.street.lamp"}
    assert found == {"town.market", "town.bank"}


@pytest.mark.parametrize(
    "rules",
    [
        "layers =\n    town.__main__\n    town.shop\n    town.market\n    town.bank\n    town.street\n    town.errors",
        "containers = town\nlayers =\n    shop\n    (market)\n    bank : other\n    street",
    ],
)
def test_import_linter_says_what_is_above(tmp_path, rules):
    parts = "[importlinter:contract:bank]\nlayers =\n    town.bank.vault\n    town.bank.base\n"
    (tmp_path / ".importlinter").write_text(
        f"[importlinter]\nroot_package = town\n{parts}[importlinter:contract:a]\n{rules}\n"
    )
    town = build(tmp_path, lamp=BACK)
    assert values(town)["… upward"] == "1 (by .importlinter)"
    found = house.rooms(read_package(town))
    assert [room.name for room in found[:4]] == ["shop", "market", "bank", "street"]
    assert [room.up for room in found[:4]] == [set(), set(), set(), {"market"}]


def test_rules_of_another_package_order_nothing(tmp_path):
    (tmp_path / ".importlinter").write_text("[importlinter:contract:a]\nlayers =\n    city.street\n    city.bank\n")
    assert values(build(tmp_path))["… upward"] == "0 (in circles)"


def test_circles_levels_and_upward_arrows():
    arrows = {("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "f"), ("f", "e"), ("top", "e"), ("e", "a")}
    assert circles(arrows) == [{"a", "b", "c"}, {"e", "f"}]
    assert upward(arrows, {}) == {("a", "b"), ("b", "c"), ("c", "a"), ("e", "f"), ("f", "e")}
    assert upward(arrows, {"d": 0, "c": 1, "e": 2, "f": 2}) == {*upward(arrows, {}), ("c", "d")}
    assert from_the_top({*"abcdef", "top", "lone"}, arrows, {}) == ["lone", "top", "e", "f", "a", "b", "c", "d"]


@pytest.mark.parametrize(("lines", "code", "whole"), [(34, "0", "0"), (35, "0", "1"), (40, "0", "1"), (41, "1", "1")])
def test_a_function_is_long_from_its_41st_line_on(tmp_path, lines, code, whole):
    """Six lines are no code of the body: `def`, three of text, a blank, a comment."""
    body = "    x = 1\n" * lines
    found = values(build(tmp_path, shop=f'\n\ndef long() -> None:\n    """Text.\n\n    More."""\n\n    # why\n{body}'))
    assert found["functions over 40 lines of code"] == code
    assert found["functions over 40 lines, signature and docstring counted"] == whole


@pytest.mark.parametrize(("lines", "count"), [(300, "0"), (301, "1")])
def test_a_module_is_long_from_its_301st_line_on(tmp_path, lines, count):
    there = len(TOWN["shop.py"].splitlines())
    assert values(build(tmp_path, shop="\n" * (lines - there)))["modules over 300 lines, all lines counted"] == count


def test_a_file_that_is_no_python_is_named_and_left_out(tmp_path, capsys):
    town = build(tmp_path)
    (town / "market" / "old.py").write_text("print 'sold'\n")
    assert values(town) == NUMBERS
    assert "old.py: left out, since it cannot be parsed" in capsys.readouterr().err


def test_a_folder_without_modules_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected the folder of a Python package, found no \.py file"):
        read_package(tmp_path)


@pytest.mark.parametrize("name", ["avgzsl", "typer"])
def test_arrows_are_those_that_grimp_finds(name):
    package = read_package(Path(importlib.util.find_spec(name).origin).parent)
    for typed, ours in ((True, package.arrows), (False, package.arrows | package.for_types)):
        graph = grimp.build_graph(name, cache_dir=None, exclude_type_checking_imports=typed)
        assert set(package.modules) == graph.modules
        assert ours == {(one, other) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)}


def run(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["house", *map(str, arguments)])
    house.main()


def test_the_tables_go_into_the_document_and_onto_the_terminal(tmp_path, monkeypatch, capsys):
    town, other = build(tmp_path), build(tmp_path / "other", lamp=BACK)
    page = tmp_path / "page.md"
    page.write_text(
        "A\n<!-- house-rooms --><!-- /house-rooms -->\nB\n<!-- house-numbers -->\nstale\n<!-- /house-numbers -->\nC"
    )
    run(monkeypatch, "--tree", other, "--beside", town, "--document", page)
    text, shown = page.read_text(), capsys.readouterr().out
    assert (
        "| room | what it is | modules | lines of code | imports | imported by |\n|---|---|---:|---:|---|---|\n" in text
    )
    assert "| `shop` | A shop \\| loose. | 1 | 10 | `bank`, `market` |  |" in text
    assert "| `street` |  | 1 | 7 | `market` ↑ | `bank` |" in text
    assert "| | town | before |\n|---|---:|---:|\n| rooms | 4 | 4 |" in text
    assert "| circles of rooms | 1 (3 rooms in them) | 0 |" in text
    assert text.startswith("A\n") and "\nB\n" in text and text.endswith("\nC") and "stale" not in text
    assert "market                  3 modules      30 lines  Where things are sold.\n    imports: bank ↑\n" in shown
    assert "    imports: bank, market\n" in shown and f" {'town':>24} {'before':>24}\nrooms " in shown
    assert "town: circles of rooms: bank, market, street" in shown and "before: class names" in shown


def test_two_columns_of_one_name_are_refused(tmp_path, monkeypatch, capsys):
    town = build(tmp_path)
    with pytest.raises(SystemExit):
        run(monkeypatch, "--tree", town, "--beside", town, "--label", "now", "--beside-label", "now")
    assert "both columns would be called now; give another --label" in capsys.readouterr().err
