"""The faults that the mutation run puts in: what they are, and that each list of known ones is true of the code."""

import ast
import re
from pathlib import Path

from benchmarks.mutants import mutants
from benchmarks.mutation import Case, equivalent, name_of

ROOT = Path(__file__).parents[1]
SOURCE = '''"""Doc 1."""
from typing import Literal

Kind = Literal["audio", "video"]

def f(audio: "n d", video: int = 2) -> bool:
    """More 3."""
    if audio < video:
        raise ValueError(f"{audio} is less than", 4)
    for x in audio.detach():
        video[x] = audio + 0.5
    return not g(audio, video, key="mean")[1:].sum(dim=0)
'''


def test_each_fault_is_another_program_and_the_kinds_are_there():
    found = mutants(SOURCE)
    changed = {" ".join(one.apply(SOURCE).splitlines()[one.line - 1].split()) for one in found}
    assert all(ast.dump(ast.parse(one.apply(SOURCE))) != ast.dump(ast.parse(SOURCE)) for one in found)
    assert len({one.apply(SOURCE) for one in found}) == len(found)
    assert changed >= {
        "if (audio <= video):", "if (audio > video):", "if (not audio < video):", "if False:", "pass",
        "for x in audio:", "for x in list(audio.detach())[:1]:", "for x in video.detach():",
        "video[x] = (audio - 0.5)", "video[x] = audio + 1.0", "video[x] = video + 0.5", "return None",
        "return g(audio, video, key='mean')[1:].sum(dim=0)", 'def f(audio: "n d", video: int = 3) -> bool:',
        "return not g(video, audio, key='mean')[1:].sum(dim=0)", "return not g(audio, key='mean')[1:].sum(dim=0)",
        "return not g(audio, video)[1:].sum(dim=0)", "return not g(audio, video, key='sum')[1:].sum(dim=0)",
        "return not g(audio, video, key='mean')[1:].mean(dim=0)",
        'return not g(audio, video, key="mean")[2:].sum(dim=0)',
        'return not g(audio, video, key="mean")[1:].sum(dim=1)',
    }  # fmt: skip


def test_what_decides_nothing_is_left_alone():
    lines = SOURCE.splitlines()
    for one in mutants(SOURCE):
        after = one.apply(SOURCE).splitlines()
        assert after[:5] == lines[:5]
        assert not (one.line == 9 and "ValueError" in after[8] and after[8] != lines[8])
        assert "n d" in after[5]


def test_known_equivalents_are_faults_of_the_code_as_it_stands_each_with_a_reason():
    """An entry whose line was changed has to go."""
    known = equivalent()
    there = set()
    for module in {name.partition(":")[0] for name in known}:
        source = (ROOT / "src" / "avgzsl" / f"{module}.py").read_text()
        wanted = {name.split(": ", 2)[1] for name in known if name.startswith(f"{module}:")}
        cases = [Case(module, one, one.apply(source)) for one in mutants(source, wanted)]
        there |= {name_of(case) for case in cases}
    assert sorted(known.keys() - there) == []
    assert all(re.match(r"[A-Z].{15,}\.$", reason, re.S) for reason in known.values())
