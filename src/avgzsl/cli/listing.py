"""`avgzsl methods`, `layouts`, `encoders` and `engines`: what there is, in this package and in installed ones."""

import sys


def methods() -> None:
    """List the methods, their presets and hyper-parameters with defaults."""
    from avgzsl.methods import PLUGINS, build

    loaded, broken = PLUGINS.load_all()
    for name, cls in loaded.items():
        marks = [mark for mark in ("default", "baseline", "control") if getattr(cls, mark)]
        notes = "".join(f" [{note}]" for note in (*marks, *PLUGINS.package_of(name)))
        print(f"{name}: {(cls.__doc__ or '').partition(chr(10))[0]}{notes}")
        print(f"  tested on: {', '.join(build(name).modalities)};  presets: {', '.join(cls.presets) or 'none'}")
        for field, default, about in cls.settings():
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
            print(f"    {field}={shown}  {about}")
    for problem in broken.values():
        print(f"error: {problem}", file=sys.stderr)


def layouts() -> None:
    """List the layouts of data on disk that can be read."""
    from avgzsl.data.layouts import layouts as described

    for name, about in described().items():
        print(f"{name}: {about}")


def encoders() -> None:
    """List the encoders of sound, picture and class names, as --audio, --video and --text take them."""
    from avgzsl.backbones import backbones
    from avgzsl.text.encoders import encoders as text_encoders

    for title, described in (("--audio, --video", backbones()), ("--text", text_encoders())):
        print(title)
        for name, about in described.items():
            print(f"  {about if about.startswith(name) else f'{name}: {about}'}")


def engines() -> None:
    """List the engines of an index, as --engine takes them."""
    from avgzsl.archive.engines import default_engine
    from avgzsl.archive.engines import engines as described

    for name, about in described().items():
        print(f"{name}: {about}{' [default]' if name == default_engine() else ''}")
