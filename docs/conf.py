"""How Sphinx builds the documents: `make docs`. Nothing here asks a network."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for the notebook
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from nbclient import NotebookClient  # noqa: E402
from tools.reference import pages  # noqa: E402

import avgzsl  # noqa: E402

project = "avgzsl"
author = "The avgzsl maintainers"
copyright = author
version = release = avgzsl.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design"]
source_suffix = {".md": "myst-nb"}
html_theme = "furo"
html_static_path, html_css_files = ["_static"], ["tables.css"]
html_title = f"avgzsl {release}"
pygments_style = "default"

myst_heading_anchors = 4  # so that each link to a heading is checked
myst_enable_extensions = ["colon_fence"]

NotebookClient.startup_timeout.default_value = 300  # seconds until the kernel answers, also on a busy machine
nb_execution_mode = "force"
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
add_module_names = False

linkcheck_ignore = [r"http://(localhost|127\.0\.0\.1)"]


def setup(app):
    """What is made from the code, when it is built."""
    pages.setup(app)
