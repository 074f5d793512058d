r"""Tables for LaTeX: booktabs, with caption, label and notes. Any text is shown as it is, whatever signs it has.

Only `\usepackage{booktabs}` is needed; everything else is plain LaTeX in ASCII, for any engine.
"""

from collections.abc import Sequence
from unicodedata import normalize

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\`{}",
    "±": r"$\pm$", "→": r"$\to$", "–": "--", "—": "---", "−": "$-$", "×": r"$\times$", "·": r"$\cdot$", "≥": r"$\ge$",
    "≤": r"$\le$", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''", "²": "$^2$", "³": "$^3$", "χ": r"$\chi$",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ł": r"\l{}", "Ł": r"\L{}", "\n": " ",
}  # fmt: skip
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030c": "v", "\u0327": "c"}


def escaped(text: str) -> str:
    """A text as LaTeX, in ASCII; a sign that has no plain form is named by its code, U+4E2D."""
    return "".join(map(_sign, normalize("NFC", text)))


def _sign(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    if " " <= sign <= "~":
        return sign
    base, *accents = list(normalize("NFD", sign))
    if base.isascii() and base.isalpha() and len(accents) == 1 and accents[0] in _ACCENTS:
        return rf"\{_ACCENTS[accents[0]]}{{{base}}}"
    return f"U+{ord(sign):04X}"


def latex_table(
    title: str, label: str, header: Sequence[str], lines: Sequence[Sequence[str]], notes: str, texts: int
) -> str:
    r"""A `table` with a booktabs `tabular`; the first `texts` columns are set left, the others right.

    The label is `tab:LABEL`, left out where it is empty.
    """
    form = "l" * texts + "r" * (len(header) - texts)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(title)}}}",
            *([rf"\label{{tab:{label}}}"] if label else []),
            r"\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\begin{{tabular}}{{{form}}}",
            r"\toprule",
            _line(header),
            r"\midrule",
            *map(_line, lines),
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escaped(notes)}}}"] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def latex_figure(file: str, caption: str, label: str) -> str:
    r"""A `figure` of a PDF beside the document; `graphicx` is needed. Its label is `fig:LABEL`."""
    return "\n".join(
        [
            r"\begin{figure}",
            r"\centering",
            rf"\includegraphics[width=\linewidth]{{{file}}}",
            rf"\caption{{{escaped(caption)}}}",
            rf"\label{{fig:{label}}}",
            r"\end{figure}",
            "",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    r"""A row; a cell that begins with `[` is kept from being taken for the length after `\\`."""
    return " & ".join("{}" + cell if cell.startswith("[") else cell for cell in map(escaped, cells)) + r" \\"
