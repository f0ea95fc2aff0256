"""How the site is built: ``make docs``, which makes ``docs/_build/html``; warnings are errors."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "jaxsim"
author = "the jaxsim authors"
version = release = installed_version("jaxsim-studies")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "generated",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "package.md"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks show what they printed when they were last executed
nb_merge_streams = True
suppress_warnings = ["ref.python"]  # a word of a signature that several classes have an attribute of

napoleon_use_ivar = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autosummary_generate = True
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = "jaxsim"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "gallery", "scope", "trust", "how-to/first-study", "made/changelog")}
html_context = {"default_mode": "auto"}
copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True
