"""Every layout, backbone, text encoder and engine that is found keeps to the suite of its kind."""

from avgzsl import backbones
from avgzsl.archive import engines
from avgzsl.data import layouts
from avgzsl.testing import BackboneSuite, EngineSuite, LayoutSuite, TextEncoderSuite
from avgzsl.text import encoders
from tests.conftest import SHARED
from tests.samples import suite

for name in layouts.PLUGINS.names():
    globals().update(suite(LayoutSuite, "layouts", name))
for name in encoders.PLUGINS.names():
    globals().update(suite(TextEncoderSuite, "text_encoders", name))
for name in engines.PLUGINS.names():
    globals().update(suite(EngineSuite, "engines", name))
for name, modalities in backbones.embedded().items():
    for modality in modalities:
        globals().update(suite(BackboneSuite, "backbones", name, modality=modality, models=SHARED / "models"))
