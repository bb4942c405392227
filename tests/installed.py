"""Tries the grokfax that is installed, with what Python and JAX have; no pytest.

Its examples run, and its description has no link that leads nowhere without the repository.
`make wheel` runs this where there are the wheel, jax and optax alone.
"""

import doctest
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path

import grokfax


def main() -> int:
  """The exit code."""
  assert Path(grokfax.__file__).is_relative_to(sys.prefix), grokfax.__file__
  assert importlib.util.find_spec("flax") is None, "more is here than the library needs"
  description = str(importlib.metadata.metadata("grokfax").get_payload())
  links = re.findall(r"\]\(([^)]+)\)", description)
  assert len(links) > 10, "the README is not the description"
  assert all(link.startswith(("https://", "#")) for link in links), links
  names = [name for _, name, _ in pkgutil.walk_packages(grokfax.__path__, "grokfax.")]
  found = [doctest.testmod(importlib.import_module(name)) for name in ["grokfax", *names]]
  failed, tried = (sum(each) for each in zip(*found, strict=True))
  print(f"grokfax {grokfax.__version__} is installed; of its {tried} examples {failed} failed")
  return int(failed > 0 or tried < 100)


if __name__ == "__main__":
  sys.exit(main())
