"""Runs the notebooks from the first cell to the last, and keeps them with what they show.

    python colab/save.py              # make notebooks
    python colab/save.py your_model

The text beside a notebook is its source; it is what is edited.
"""

import argparse
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
NAMES = ("quickstart", "tpu_population", "your_model")


def read(name: str) -> nbformat.NotebookNode:
  """The notebook as it is written, without outputs."""
  notebook = jupytext.read(FOLDER / f"{name}.py")
  for number, cell in enumerate(notebook.cells):
    cell.id = f"cell-{number}"  # else another one each time
  return notebook


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
  """Runs it in a kernel of its own, which begins in a folder.

  Raises:
    CellExecutionError: with the cell that failed and why.
  """
  NotebookClient(
    notebook,
    timeout=None,
    record_timing=False,
    coalesce_streams=True,
    resources={"metadata": {"path": str(folder)}},
  ).execute()


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
  names = parser.parse_args().names
  if unknown := set(names) - set(NAMES):
    parser.error(f"no notebook {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
  for name in names or NAMES:
    print(f"{name} ...", flush=True)
    notebook = read(name)
    execute(notebook, FOLDER)
    nbformat.write(notebook, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
  main()
