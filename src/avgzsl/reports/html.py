"""One HTML file that needs nothing else: text, tables and pictures, readable on a telephone and on paper."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from avgzsl.reports.comparison import FIGURES, MeasuredLine, with_spread
from avgzsl.reports.sheet import MISSING, Sheet
from avgzsl.support.files import write_text

_STYLE = """
:root { color-scheme: light dark; --line: #8888; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; font-size: 1.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { position: sticky; left: 0; background: Canvas padding-box; white-space: normal; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.published { background: var(--soft); font-style: italic; }
figure { margin: 2rem 0; } img { max-width: 100%; height: auto; background: white; }
figcaption, .caption { font-size: .9rem; }
"""


@dataclass
class Page:
    """A page: its title, paragraphs before the first section, and tables and figures in the order they are added."""

    title: str
    about: Sequence[str]
    sections: list[tuple[str, str]] = field(default_factory=list)
    figures: list[tuple[Path, str]] = field(default_factory=list)

    def add_table(self, lines: Sequence[MeasuredLine], title: str, caption: str) -> None:
        """Measured figures, and the published ones set apart."""
        names = "".join(f"<th scope='col'>{figure}</th>" for figure in FIGURES)
        shown = names.replace("<th ", "<th class='published' ")
        head = (
            "<tr><th></th><th></th><th colspan='3'>measured</th><th colspan='3' class='published'>published</th></tr>"
            f"<tr><th scope='col'>model</th><th scope='col'>test</th>{names}{shown}</tr>"
        )
        rows = "".join(map(_row, lines))
        body = f"<div class='scroll'><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"
        self.sections.append((title, f"{body}<p class='caption'>{escape(caption)}</p>"))

    def add_rows(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> None:
        """A table of texts."""
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        table = f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        self.sections.append((title, f"{table}<p class='caption'>{escape(caption)}</p>"))

    def add_sheet(self, sheet: Sheet) -> None:
        """A table of texts with its title and caption."""
        self.add_rows(sheet.title, sheet.header, sheet.lines, sheet.caption)

    def add_figure(self, path: Path, caption: str) -> None:
        """A PNG that will be there when the page is written."""
        self.figures.append((path, caption))


def write_page(path: Path, page: Page) -> None:
    """Write the page with its pictures inside."""
    introduction = "".join(f"<p>{escape(line)}</p>" for line in page.about)
    tables = "".join(f"<section><h2>{escape(title)}</h2>{body}</section>" for title, body in page.sections)
    figures = "".join(_figure(file, caption) for file, caption in sorted(page.figures))
    write_text(
        path,
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(page.title)}</h1>{introduction}{tables}{figures}</main></body></html>\n",
    )


def _row(measured: MeasuredLine) -> str:
    line = measured.line
    texts = [MISSING] * 3 if measured.figures is None else [with_spread(*figure) for figure in measured.figures]
    cells = "".join(f"<td>{text}</td>" for text in texts)
    published = "".join(f"<td class='published'>{with_spread(value, None)}</td>" for value in line.published)
    return f"<tr><td>{escape(line.model)}</td><td>{line.modality}</td>{cells}{published}</tr>"


def _heading(path: Path) -> str:
    """`figure5` is Figure 5, `clip-recognised` is Clip recognised."""
    return path.stem.replace("figure", "figure ").replace("-", " ").capitalize()


def _figure(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f"<figure><h2>{escape(_heading(path))}</h2><img alt='{escape(caption, quote=True)}' "
        f"src='data:image/png;base64,{data}'><figcaption>{escape(caption)}</figcaption></figure>"
    )
