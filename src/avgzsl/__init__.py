"""avgzsl: audio-visual generalized zero-shot learning that anyone can run.

The calls behind the commands and the values that they take and give stand here, loaded when first used. The stub
`__init__.pyi` beside this file lists them: that is where a name is added.
"""

import lazy_loader

from avgzsl.support import moved

__version__ = "0.2.0"

moved.answer_old_paths()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
