"""Import paths of version 0.1 that went: importing one says where its content is now. For one release."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# new place: what is there, each by its old path, with `=new` where its own name is another
_PLACES = {
    "support": "children device files own_folders pretrained=checkpoints records registry spreadsheet temporary trust "
    "weights",
    "scores": "evaluation=metrics scoring similarity",
    "media": "media.layouts=channels media.reading=frames",
    "text.encoders": "text._tower text.clap text.clip text.dict text.hashed_words text.minilm text.sentence text.words",
    "backbones": "backbones.base=_base backbones.engines=_engines",
    "backbones._engines": "backbones.engines.onnx backbones.engines.tflite",
    "features": "features.store=feature_store features.windows=window_clips",
    "data": "datasets=layouts datasets.export datasets.merging datasets.splitting",
    "data.layouts": "datasets.audioset_zsl datasets.avca datasets.avca_text=_avca_text datasets.store "
    "datasets.store_inspection=_store_inspection",
    "data.reading": "datasets.assembly datasets.avca_lists datasets.cache datasets.cache_entry datasets.class_lists "
    "datasets.class_table datasets.feature_files datasets.own_dataset datasets.pairing datasets.source",
    "data.inspection": "datasets.inspection=inspect datasets.survey",
    "generators": "generators.checks=_checks generators.clip_drawing=_clip_drawing generators.clip_model=_clip_model "
    "generators.clip_sounding=_clip_sounding",
    "learning": "attention audio_clips audio_net checkpoint losses nets sampling training trainset=train_set",
    "experiments": "benchmark calibration code_version experiment=train_evaluate protocol runs=run trial tuning "
    "two_stage",
    "recognition": "answers carried=portable encoders recognise recogniser",
    "archive": "index.archive=indexing index.clip_table index.collection index.embeddings index.engines "
    "index.extraction index.file_check index.fused index.indexed_files index.moved=relocation index.nearest "
    "index.proposals index.pruning index.record=index_record index.repair index.retrieval index.sources index.where "
    "index.writer search",
    "archive.engines": "index.engines._lance_manifest index.engines.base=_base index.engines.lancedb "
    "index.engines.memory index.engines.qdrant",
    "reports": "reports.files=evaluation_files reports.inspection=inspection_report",
    "server": "serve.access serve.app serve.archive=contract serve.collection=index_archive serve.connections "
    "serve.handed_out serve.headers serve.journal=request_log serve.kept serve.kinds=content_types serve.limits "
    "serve.problems serve.projection serve.repeats serve.routes serve.rows serve.schema serve.scratch serve.sending "
    "serve.server=process serve.service serve.sessions serve.settings serve.shares",
    "server.routes": "serve.routes.about serve.routes.clips serve.routes.parameters serve.routes.search "
    "serve.routes.session",
    "": "demo=showcase index=archive methods.base=methods serve=server",
}


def moves() -> dict[str, str]:
    """The new import path by the old one."""
    found = {}
    for place, names in _PLACES.items():
        for entry in names.split():
            old, _, renamed = entry.partition("=")
            new = f"{place}.{renamed or old.rpartition('.')[2]}".removeprefix(".")
            found[f"avgzsl.{old}"] = f"avgzsl.{new}"
    return found


class _Moved(MetaPathFinder):
    """Asked last, so for modules alone that nobody else has found."""

    def __init__(self) -> None:
        self.moves = moves()

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raises ModuleNotFoundError with the new path for an old one."""
        if name in self.moves:
            # without `name=`: `from avgzsl import runs` would swallow it
            raise ModuleNotFoundError(f"{name} is {self.moves[name]} now; import that{self._inside(name)}")
        return None

    def _inside(self, package: str) -> str:
        """Where the modules of a package are: Python asks for the package first, and for no module after that."""
        at = self.moves[package]
        inside = {old: new for old, new in self.moves.items() if old.startswith(f"{package}.")}
        apart = {old: new for old, new in inside.items() if new != at + old.removeprefix(package)}
        kept = next((f"; {old} is {new}, and so on" for old, new in inside.items() if old not in apart), "")
        return kept + "".join(f"; {old} is {new}" for old, new in apart.items())


def answer_old_paths() -> None:
    """From now on the import of an old path says the new one."""
    sys.meta_path.append(_Moved())
