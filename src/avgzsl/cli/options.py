"""Options of the command line, each declared once for all commands that have it."""

import copy
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer
from typer.models import ParameterInfo

from avgzsl.cli.folders import index_folder, run_folder, store_folder
from avgzsl.cli.help import Groups
from avgzsl.types import (
    Calibration,
    DataChoice,
    EncoderChoice,
    Fusion,
    Precision,
    RetrievalKind,
    TestModality,
    TextOrder,
)

_SCORES = "Scores"  # a title in the help

# arguments
Data = Annotated[Path, typer.Argument(help="Folder of features.", callback=store_folder)]
Run = Annotated[Path, typer.Argument(help="Folder of a run.", callback=run_folder)]
Index = Annotated[Path, typer.Argument(help="Folder of an index.", callback=index_folder)]
Source = Annotated[
    Path, typer.Argument(help="A store, a folder of features, or a folder of clips.", callback=store_folder)
]
Settings = Annotated[list[str] | None, typer.Argument(help="Hyper-parameters, key=value; see `avgzsl methods`.")]

# what is trained, and how
Method = Annotated[
    str | None,
    typer.Option(help="A name, see `avgzsl methods` (the default is marked there), or path/to/file.py:Class."),
]
MethodOfRun = Annotated[
    str | None, typer.Option("--method", help="Of a run whose method is in a file: that file again, as FILE.py:Class.")
]
Preset = Annotated[str | None, typer.Option(help="Named settings of the method, or a YAML file.")]
Tuned = Annotated[Path | None, typer.Option(help="Presets of `avgzsl tune`: METHOD/CLASS-SPLIT/preset.yaml.")]
Seed = Annotated[int, typer.Option(help="Of weights, tuples and dropout.")]
Seeds = Annotated[int, typer.Option(help="Seeds 0, 1, …", min=1)]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run.")]
CheckpointSeconds = Annotated[float, typer.Option(help="Least time between checkpoints.", min=0)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precisions = Annotated[
    Precision, typer.Option("--precision", help="Of backbones of the transformers library: float32, or bf16, faster.")
]
Processes = Annotated[int | None, typer.Option(help="At once; by default as many as cores.", min=1)]
Workers = Annotated[int | None, typer.Option(help="Files decoded at once; by default as many as cores.", min=1)]

Baselines = Annotated[
    bool | None,
    typer.Option(
        "--baselines/--no-baselines",
        help="Rows of frozen encoders, of least squares and of both mixed; by default those that cost little.",
        rich_help_panel=_SCORES,
    ),
]

Figures = Annotated[
    list[str] | None, typer.Option(help="Form of the figures: png (default), svg or pdf; may be given again.")
]

# how clips are scored, and how much is told
Modality = Annotated[
    TestModality | None, typer.Option(help="By default the most that the run serves.", rich_help_panel=_SCORES)
]
Fusions = Annotated[
    Fusion | None,
    typer.Option(
        help="equal, attention or weighted; by default the last of these that the run has.", rich_help_panel=_SCORES
    ),
]
Retrievals = Annotated[
    RetrievalKind | None,
    typer.Option(
        help="plain, or corrected: without the bias to seen classes; by default corrected, where the index has it.",
        rich_help_panel=_SCORES,
    ),
]
Calibrations = Annotated[Calibration, typer.Option(help="How gamma is found.", rich_help_panel=_SCORES)]
Calibrated = Annotated[
    bool,
    typer.Option(
        "--calibrated/--no-calibrated", help="With the penalty on classes seen in training.", rich_help_panel=_SCORES
    ),
]
Top = Annotated[int, typer.Option("-k", "--top", help="How many, the best first.", min=1)]
Cite = Annotated[bool, typer.Option("--cite", help="Print what to cite, of methods and data, as BibTeX.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]

# clips and their index
Manifest = Annotated[Path | None, typer.Option(help="Of clips: a csv with a path each, labels, spans.")]
LabelsFromFolders = Annotated[
    bool,
    typer.Option(
        "--labels-from-folders", help="Each subfolder is a class; else clips without a manifest have no label."
    ),
]
Split = Annotated[
    Literal["train", "val", "test"] | None, typer.Option(help="Only train, val or test; all clips if not given.")
]
Url = Annotated[
    str | None,
    typer.Option(
        help="Where the engine is, if not on disk, as http://localhost:6333; else AVGZSL_ENGINE_URL. The index is not "
        "asked."
    ),
]

Stretch = Annotated[
    bool,
    typer.Option(
        "--stretch",
        help="Rows once more with a stretch of seen classes' scores, chosen together with the penalty.",
        rich_help_panel=_SCORES,
    ),
]

Vggsounder = Annotated[
    Path | None,
    typer.Option(
        help="A csv of the package vggsounder: scores by its labels, several a clip, too (VGGSound).",
        rich_help_panel=_SCORES,
    ),
]

Models = Annotated[Path | None, typer.Option(help="Folder where the weights of encoders are looked for.")]

_FIELDS: dict[type, dict[str, Any]] = {
    EncoderChoice: {
        "audio": Annotated[str | None, typer.Option(help="Encoder of the sound, if the run does not know its own.")],
        "video": Annotated[str | None, typer.Option(help="Encoder of the picture, likewise.")],
        "text": Annotated[list[str] | None, typer.Option(help="Encoder of names, likewise; once a part of the text.")],
        "models": Models,
        "device": Device,
        "precision": Precisions,
    },
    DataChoice: {
        "layout": Annotated[str | None, typer.Option(help="Recognised by itself; see `avgzsl layouts`.")],
        "class_split": Annotated[str | None, typer.Option(help="Which division into seen and unseen.")],
        "drop_bad_rows": Annotated[
            bool, typer.Option("--drop-bad-rows", help="Leave out clips with NaN or infinite values.")
        ],
        "text_order": Annotated[TextOrder, typer.Option(help="right, or a published, mixed-up order of the layout.")],
        "merge_spellings": Annotated[
            bool, typer.Option("--merge-spellings", help="Classes that are one, written differently, become one.")
        ],
        "text": Annotated[
            list[str] | None,
            typer.Option(
                help="What the text of classes is made of, once a part: own (what the data brings; the default), or "
                "[audio=|video=]ENCODER[:WEIGHTS][+prompts=NAME-or-FILE][+descriptions=FILE]."
            ),
        ],
        "models": Models,
    },
}

_TITLES = {DataChoice: "How data are read", EncoderChoice: "Encoders"}  # of their options in the help

# flags that went, by command; for one release each is answered with its new name
_RENAMED = {
    ("search", "--not"): "--without",
    ("search", "--k"): "--top",
    ("predict", "--raw"): "--no-calibrated",
}


def with_options(*left_out: str, **words: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command an option for each field of its parameters of type EncoderChoice and DataChoice.

    Fields that are `left_out` keep their defaults. `words` are other help texts than the usual, by name of option.
    """

    def expand(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        options: list[inspect.Parameter] = []
        fields: dict[str, list[str]] = {}  # by the parameter that they are of
        for parameter in inspect.signature(command).parameters.values():
            hint = hints[parameter.name]
            if hint not in (EncoderChoice, DataChoice):
                options.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hint))
                continue
            fields[parameter.name] = [name for name in _FIELDS[hint] if name not in left_out]
            for name in fields[parameter.name]:
                if any(option.name == name for option in options):
                    continue  # both choices have it, and get the same
                default, kind = _default(hint, name), parameter.KEYWORD_ONLY
                options.append(inspect.Parameter(name, kind, default=default, annotation=_FIELDS[hint][name]))
        titles = {name: title for choice, title in _TITLES.items() for name in _FIELDS[choice]}
        of_choices = {name for names in fields.values() for name in names}
        options = [
            option.replace(
                annotation=_worded(option, words, titles.get(option.name) if option.name in of_choices else None)
            )
            for option in options
        ]

        @wraps(command)
        def expanded(**given: Any) -> None:
            made = {choice: hints[choice](**{name: given[name] for name in names}) for choice, names in fields.items()}
            parts = {name for names in fields.values() for name in names}
            command(**{name: value for name, value in given.items() if name not in parts}, **made)

        del expanded.__wrapped__  # typer reads the signature of this one
        expanded.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        expanded.__annotations__ = {option.name: option.annotation for option in options}
        return expanded

    return expand


def _default(choice: type, name: str) -> Any:
    value = getattr(choice(), name)
    return None if value == () else value  # as typer has it of an option that is given any number of times


def _worded(option: inspect.Parameter, words: dict[str, str], title: str | None) -> Any:
    """The annotation of an option, with another help text where there is one for it, below a title in the help."""
    if option.name not in words and title is None:
        return option.annotation
    kind, info = get_args(option.annotation)
    info = copy.copy(info)
    assert isinstance(info, ParameterInfo)
    info.help = words.get(option.name, info.help)
    info.rich_help_panel = title or info.rich_help_panel
    return Annotated[kind, info]


class Commands(Groups):
    """The commands; a flag that went is an error that names the new one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Ends the process with exit code 2 where a command is given a flag that went."""
        if renamed := _renamed(args):
            old, new = renamed
            print(f"error: {old} is {new} now (avgzsl {args[0]} --help)", file=sys.stderr)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)


def _renamed(arguments: Sequence[str]) -> tuple[str, str] | None:
    """The first flag among the arguments that went, and its new name. What comes after `--` is no flag."""
    for argument in arguments[1:]:
        if argument == "--":
            return None
        flag = argument.partition("=")[0]
        if new := _RENAMED.get((arguments[0], flag)):
            return flag, new
    return None
