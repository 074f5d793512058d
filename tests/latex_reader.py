"""A strict reader of the LaTeX that this package writes: what it does not know, it refuses."""

import re

KNOWN = {
    "begin", "end", "centering", "caption", "label", "footnotesize", "setlength", "tabcolsep", "toprule", "midrule",
    "bottomrule", "par", "smallskip", "parbox", "linewidth", "includegraphics", "pm", "to", "times", "cdot", "ge", "le",
    "chi", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "ldots", "ss",
    "o", "O", "ae", "AE", "l", "L", "v", "c",
}  # fmt: skip
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}$&%#_^~]|[^\\{}$&%#_^~]+", re.DOTALL)
_SIGNS = {r"\&", r"\%", r"\$", r"\#", r"\_", r"\{", r"\}", r"\\", r"\`", r"\'", r"\^", r"\~", r"\""}
_MATHS = {"pm", "to", "times", "cdot", "ge", "le", "chi"}


def read_table(text: str) -> list[list[str]]:
    """Rows of the one tabular in `text`, as they are written; raises AssertionError for what LaTeX would not take."""
    check(text)
    form = re.search(r"\\begin\{tabular\}\{([lr]+)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert form, "no tabular"
    lines = [line for line in form[2].splitlines() if line not in (r"\toprule", r"\midrule", r"\bottomrule")]
    rows = []
    for line in lines:
        assert line.endswith(r" \\"), line
        rows.append(re.split(r"(?<!\\) & ", line.removesuffix(r" \\")))
        assert len(rows[-1]) == len(form[1]), (line, form[1])
        assert not line.startswith("["), "taken for the length after the line before"
    return rows


def check(text: str) -> None:
    """ASCII alone, known commands alone, every brace, environment and formula closed, no sign that means something."""
    assert text.isascii()
    assert "".join(_TOKEN.findall(text)) == text
    open_, depth, maths, tabular = [], 0, False, False
    tokens = _TOKEN.findall(text)
    for place, token in enumerate(tokens):
        if token in ("\\begin", "\\end"):
            name = tokens[place + 2]
            assert tokens[place + 1] == "{" and tokens[place + 3] == "}" and name in ("table", "tabular", "figure")
            if token == "\\begin":
                open_.append(name)
            else:
                assert open_.pop() == name
            tabular = "tabular" in open_
        elif token.startswith("\\"):
            name = token[1:]
            assert token in _SIGNS or name in KNOWN, token
            assert maths == (name in _MATHS) or not name.isalpha(), token
        elif token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            assert depth >= 0
        elif token == "$":
            maths = not maths
        elif token == "&":
            assert tabular and not maths
        elif token == "^":
            assert maths
        elif token in "%#_~":
            raise AssertionError(f"{token} is not escaped near {tokens[place - 1 : place + 2]}")
    assert not open_ and depth == 0 and not maths
