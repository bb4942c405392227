"""How runs were made: their commands, as they were typed, and what they ran on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from experiments.files import read_json
from experiments.reports.read import Run
from experiments.runs.folder import ENVIRONMENT

# Of each folder, what it says of where it was begun, then of where it was resumed.
Recorded: TypeAlias = Sequence[Sequence[Mapping[str, Any]]]

_FACTS = {"python": "Python"}  # others are their own name
_NAMES = ("commit", "python", "system", "processor", "cores", "backend", "devices")


def recorded(runs: Iterable[Run]) -> Recorded:
  """What the folders of runs say of their environments."""
  folders = dict.fromkeys(run.folder for run in runs if run.folder)
  files = [read_json(folder / ENVIRONMENT) for folder in folders]
  return [[saved, *saved.get("resumed", [])] for saved in files]


def commands(found: Recorded) -> list[str]:
  """The commands; folders of earlier versions have not recorded theirs."""
  told = [part["command"] for parts in found for part in parts if "command" in part]
  missing = sum("command" not in parts[0] for parts in found)
  return [*dict.fromkeys(told), *[f"# not recorded by earlier versions: {missing}"] * bool(missing)]


def environments(found: Recorded) -> list[tuple[str, str]]:
  """What the runs ran on: each fact with its values, one where it was the same for all."""
  parts = [part for parts in found for part in parts]
  facts = {_FACTS.get(n, n): [_told(e[n]) for e in parts if n in e] for n in _NAMES}
  facts["packages"] = [_told([f"{n} {v}" for n, v in e.get("packages", {}).items()]) for e in parts]
  facts["data"] = [e.get("data", {}).get("source", "") for e in parts]
  times = sorted(e["time"] for e in parts if "time" in e)
  facts["started"] = [" to ".join(dict.fromkeys((times[0], times[-1])))] if times else []
  rows = [(name, "; ".join(dict.fromkeys(filter(None, v)))) for name, v in facts.items()]
  return [row for row in rows if row[1]]


def _told(value: Any) -> str:
  return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
