"""What a benchmark leaves: a table that is printed, and a JSON file with machine and versions."""

import argparse
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from experiments import tables
from experiments.environment import environment

FOLDER = Path(__file__).parents[1] / "results" / "benchmarks"


def parser(about: str | None) -> argparse.ArgumentParser:
  """A command line with `--out`."""
  form = argparse.RawDescriptionHelpFormatter
  made = argparse.ArgumentParser(description=about, formatter_class=form)
  made.add_argument("--out", type=Path, default=FOLDER, help="the folder of the JSON files")
  return made


def memory_bytes() -> int:
  """All memory of the device, or of the machine where the device uses the machine's."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if "bytes_limit" in stats:
    return stats["bytes_limit"]
  return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def fits(needed: int, beside: int = 0) -> bool:
  """Whether that is at most half of the memory, and with what is beside it three quarters."""
  return needed <= memory_bytes() / 2 and needed + beside <= 3 * memory_bytes() / 4


def give_memory_back() -> None:
  """Gives the memory of what is no longer needed back to the system: glibc's malloc keeps it."""
  gc.collect()
  if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
    trim(0)


def torch_side(name: str) -> Any:
  """The module of that name, which needs torch; None where that is not installed."""
  if importlib.util.find_spec("torch") is None:
    return None
  return importlib.import_module(f"experiments.benchmarks.{name}")


def file_of(name: str, folder: Path) -> Path:
  """Where a benchmark's results on this backend are."""
  return folder / f"{name}-{jax.default_backend()}.json"


def write(name: str, rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
  """Writes the rows, the command but for its folder, and what ran on what."""
  spec = sys.modules["__main__"].__spec__
  told = [word for word in sys.argv[1:] if word not in ("--out", str(folder))]
  command = ["python", "-m", spec.name if spec else __name__, *told]
  made = {"command": shlex.join(command), "environment": environment(), "rows": rows}
  folder.mkdir(parents=True, exist_ok=True)
  file = file_of(name, folder)
  part = file.with_suffix(".part")
  part.write_text(json.dumps(made, indent=1) + "\n")
  part.replace(file)
  print(f"results: {file}", file=sys.stderr)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
  """A table of the rows' texts and numbers; three numbers are a median and its range.

  >>> print(markdown([{"filter": "ema", "ms": [1.25, 1.2, 1.31]}, {"filter": "ma"}]), end="")
  | filter | ms |
  | --- | --- |
  | ema | 1.25 (1.2 to 1.31) |
  | ma |  |
  """
  names = list(dict.fromkeys(name for row in rows for name in row))
  return tables.markdown([names, *([_text(row.get(name)) for name in names] for row in rows)])


def show(rows: Sequence[Mapping[str, Any]]) -> None:
  """Prints the table."""
  print(markdown(rows), flush=True)


def _text(value: Any) -> str:
  """
  >>> [_text(value) for value in (None, "ema", 12345, 0.012345, [1.25, 1.2, 1.31])]
  ['', 'ema', '12,345', '0.0123', '1.25 (1.2 to 1.31)']
  """
  if isinstance(value, list | tuple):
    median, low, high = map(_text, value)
    return f"{median} ({low} to {high})"
  if isinstance(value, float):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
  if isinstance(value, int):
    return f"{value:,}"
  return "" if value is None else str(value)
