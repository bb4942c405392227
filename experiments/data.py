"""Prepares real data, once, for the tasks that train on it.

python -m experiments.data prepare mnist                  # through TensorFlow Datasets
python -m experiments.data prepare mnist --from FOLDER    # from the original files
"""

import sys
from collections.abc import Sequence
from typing import get_args

from experiments import start


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  from experiments import terminal
  from experiments.tasks.datasets import store

  def run():
    parser = terminal.Parser("python -m experiments.data", "Read, check and keep a dataset.")
    parser.add_argument("action", choices=["prepare"])
    parser.add_argument("dataset", choices=get_args(store.Dataset))
    parser.add_argument(
      "--from",
      dest="source",
      type=terminal.a_path,
      metavar="FOLDER",
      help="a folder with the original files (default: through TensorFlow Datasets)",
    )
    parser.add_argument(
      "--folder",
      type=terminal.a_path,
      metavar="FOLDER",
      help=f"where the prepared file goes (default: ${store.VARIABLE}, or ~/.cache/grokfax)",
    )
    given = parser.read(argv)
    file = store.prepare(given.dataset, given.source, given.folder)
    arrays, manifest = store.load(given.dataset, given.folder)
    for name, array in arrays.items():
      print(f"{name:14} {array.dtype} {array.shape}")
    print(f"from {manifest['source']}, in {manifest['order']} order; into {file}")

  return terminal.run_main(run)


if __name__ == "__main__":
  sys.exit(start.main(main))
