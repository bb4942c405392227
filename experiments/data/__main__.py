"""The command line of `experiments.data`."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from experiments import cli
from experiments.data import store

PROG = "python -m experiments.data"


@dataclasses.dataclass(frozen=True)
class Settings:
  """Prepare real data, once, for the experiments that train on it."""

  action: tyro.conf.Positional[Literal["prepare"]]
  """read, check and keep"""
  dataset: tyro.conf.Positional[store.Dataset]
  """which"""
  source: Annotated[
    Path | None,
    tyro.conf.arg(
      name="from", metavar="FOLDER", help_behavior_hint="(default: through TensorFlow Datasets)"
    ),
  ] = None
  """a folder with the original files"""
  folder: Annotated[
    Path | None, cli.optional("FOLDER", f"${store.VARIABLE}, or else ~/.cache/grokfax")
  ] = None
  """where the prepared file goes"""


def run(settings: Settings) -> dict[str, Any]:
  """Prepares, and says what came from where."""
  file = store.prepare(settings.dataset, settings.source, settings.folder)
  prepared = store.load(settings.dataset, settings.folder)
  manifest = prepared.manifest
  for name, array in prepared.arrays.items():
    print(f"{name:14} {array.dtype} {array.shape}")
  print(f"from {manifest['source']}, in {manifest['order']} order; into {file}")
  return manifest


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  return cli.run_main(lambda: run(cli.parse(Settings, argv, PROG)))


if __name__ == "__main__":
  sys.exit(main())
