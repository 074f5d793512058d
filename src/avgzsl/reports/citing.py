"""What a comparison stands on, as BibTeX: its methods, its data, and how scores are calibrated and methods ranked."""

from collections.abc import Iterable
from pathlib import Path

from avgzsl.data.clips import Dataset
from avgzsl.methods import bibtex, find_method, references

ALWAYS = ("stacking", "demsar")  # the penalty on seen classes; the ranks of methods
_AUDIOSET_ZSL = {"cashbox", "church-bell", "panther", "skateboard"}  # others write their own data in its layout
_OF_LISTS = {"ucf": "ucf101", "activitynet": "activitynet", "vggsound": "vggsound"}
_LIST = "_w2v_class_names.csv"  # of a data set of the AVCA benchmark, after its name


def cite(methods: Iterable[str], datasets: Iterable[Dataset]) -> str:
    """The entries of methods (names) and data sets, each once, with a remark where data are nobody's to cite.

    Raises UnknownNameError for a method, or a citation, that there is not.
    """
    wanted = [find_method(name).citation for name in methods]
    remarks: dict[str, None] = {}
    for dataset in datasets:
        keys = cited(dataset)
        wanted += keys
        if dataset.generated:
            remarks[f"% {Path(dataset.source).name} is generated data; cite what its lists are taken from"] = None
        elif not keys:
            remarks[f"% {Path(dataset.source).name} is no data set that is known here; cite its own paper"] = None
    return "\n\n".join(["\n".join(remarks)] * bool(remarks) + [bibtex([*wanted, *ALWAYS])])


def cited(dataset: Dataset) -> list[str]:
    """Keys of a data set's papers, and of its encoders that have one."""
    keys = []
    if dataset.layout == "audioset-zsl" and set(dataset.classes.names) >= _AUDIOSET_ZSL:
        keys = ["cjme", "audioset"]  # the paper of the splits, and of the clips
    if dataset.layout == "avca":
        lists = (Path(dataset.source) / "class-split").glob(f"*{_LIST}")
        keys = ["avca", *sorted(_OF_LISTS[name] for f in lists if (name := f.name.removesuffix(_LIST)) in _OF_LISTS)]
    encoders = [encoder.spec.partition(":")[0] for encoder in dataset.encoders.values()]
    return keys + [name for name in encoders if name in references()]
