"""How Sphinx makes the site. `make docs` builds it into build/docs; that needs no network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from repository_links import address

import grokfax

project = "grokfax"
author = "The grokfax authors"
version = release = grokfax.__version__
project_copyright = author

extensions = [
  "myst_parser",
  "sphinx.ext.autodoc",
  "sphinx.ext.napoleon",
  "sphinx_copybutton",
  "api_names",
  "mathml",
  "repository_links",
]
exclude_patterns = ["_extensions", "_static"]
nitpicky = True
highlight_language = "none"  # of blocks that name none: commands
default_role = "code"  # in docstrings a name in single backticks is code

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

autodoc_typehints = "none"  # the docstrings say what an argument may be
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_attr_annotations = False
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "sphinx_book_theme"
html_title = "grokfax"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["tables.js"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
  "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": "grokfax"},
  "repository_url": address(),
  "repository_branch": "main",
  "path_to_docs": "docs",
  "use_repository_button": True,
  "use_issues_button": True,
  "use_download_button": False,
  "home_page_in_toc": True,
  "show_navbar_depth": 1,
  "show_toc_level": 2,
}
