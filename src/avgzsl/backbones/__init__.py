"""Networks that turn frames or a waveform into a vector: one a file, found by listing this folder, and one a card.

A backbone module has DESCRIPTION, MODALITIES (those it serves) and load(modality, weights, device, models), which gives
a `Backbone`. A card is a YAML file in `cards/`, or anywhere: an exported model and how to feed it.
A backbone is named by a spec: `NAME`, or `NAME:WEIGHTS` with a file, a folder or a name on the hub; or a card's path.
"""
