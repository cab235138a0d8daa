"""How Sphinx builds the documentation: `make docs`."""

import os
import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

# Before Keras is imported, here and by the examples.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The tutorials in their short form.
os.environ.setdefault("KERAS_SEG_QUICK", "1")

import keras_seg  # noqa: E402

project = "keras_seg"
author = "the keras_seg authors"
copyright = author
version = release = keras_seg.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "generated",
]
exclude_patterns = ["_build", "_ext", "_templates", "examples"]
exclude_patterns += ["gallery/**/*.ipynb"]  # beside the page of each example
templates_path = ["_templates"]

# Docstrings are Markdown, as Keras's: `name` links to what has that name.
default_role = "py:obj"
smartquotes = False  # It makes one dash of the two of an option.
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 72
autosummary_ignore_module_all = False
autosummary_imported_members = True
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [
    ("Call arguments", "params_style"),
    "Input shape",
    "Output shape",
]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# The notebooks that `generated` writes from tutorials/.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_output_stderr = "remove"
nb_merge_streams = True  # One box for all that a cell prints.

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("keras_seg",),
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "capture_repr": (),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    # Their page loads scripts from other servers.
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "keras_seg"
html_static_path = ["_static"]
html_css_files = ["keras_seg.css"]
# Pages by themselves: the place is theirs.
html_sidebars = dict.fromkeys(
    ("changelog", "cite", "lecture", "migration", "security"), []
)
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# matplotlib's font cache, and Keras where it traces what it should not.
warnings.filterwarnings("ignore", category=DeprecationWarning)
