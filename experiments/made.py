"""How runs were made: their commands, and what they ran on."""

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments import methods, runs
from experiments.files import read_json
from experiments.logs import Run

_FACTS = {
  "commit": "commit",
  "python": "Python",
  "system": "system",
  "processor": "processor",
  "cores": "cores",
  "backend": "backend",
  "devices": "devices",
}


def command(run: Run) -> str:
  """What runs it anew: the settings that are not the method's own, without the seed."""
  experiment, values = run.experiment, run.values
  fixed = {name: values[name] for name in ("method", *experiment.choices, "steps")}
  own = dataclasses.asdict(experiment.resolve(experiment.settings(**fixed)))
  told = [n for n, v in values.items() if v != own[n] and n not in ("seed", *runs.WHERE, *fixed)]
  flags = fixed | {name: values[name] for name in told}
  return shlex.join(["python", "-m", f"experiments.{experiment.name}", *_flags(flags)])


def _sweep(name: str, given: Mapping[str, Any]) -> str:
  return shlex.join(["python", "-m", "experiments.sweep", name, *_flags(given)])


def _flags(values: Mapping[str, Any]) -> list[str]:
  """
  >>> _flags({"method": "grokfast_ema", "lamb": [1.0, 2.0], "include_zero": True})
  ['--method', 'grokfast_ema', '--lamb', '1.0', '2.0', '--include-zero']
  """
  words = []
  for name, value in values.items():
    if isinstance(value, bool):
      words.append(methods.flag(name if value else f"no_{name}"))
    else:
      several = value if isinstance(value, list) else [value]
      words += [methods.flag(name), *map(str, several)]
  return words


def commands(made: Iterable[Run]) -> list[tuple[str, str]]:
  """Every command, and which seeds it ran with; a sweep's says that itself."""
  seeds: dict[str, list[int]] = {}
  sweeps = {}
  for run in made:
    folder = run.folder
    if folder is None or folder in sweeps:
      continue
    saved = read_json(folder / "settings.json")
    if "sweep" in saved:
      sweeps[folder] = _sweep(run.experiment.name, saved["sweep"])
    else:
      seeds.setdefault(command(run), []).append(run.seed)
  told = [(line, ", ".join(map(str, sorted(numbers)))) for line, numbers in seeds.items()]
  return [*((line, "") for line in sweeps.values()), *told]


def environments(made: Iterable[Run]) -> list[tuple[str, str]]:
  """What the runs ran on: each fact with its values, one where it was the same for all."""
  found: list[Mapping[str, Any]] = []
  for folder in dict.fromkeys(run.folder for run in made if run.folder):
    saved = read_json(folder / "environment.json")
    found += [saved, *saved.get("resumed", [])]
  facts = [(text, [_told(e[name]) for e in found if name in e]) for name, text in _FACTS.items()]
  packages = [_told([f"{n} {v}" for n, v in e.get("packages", {}).items()]) for e in found]
  sources = [_told(e.get("data", {}).get("source", "")) for e in found]
  times = sorted(e["time"] for e in found if "time" in e)
  facts += [("packages", packages), ("data", sources), ("started", _ends(times))]
  rows = [(text, "; ".join(dict.fromkeys(filter(None, values)))) for text, values in facts]
  return [row for row in rows if row[1]]


def _told(value: Any) -> str:
  return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ends(times: Sequence[str]) -> list[str]:
  """The first and the last.

  >>> _ends(["a", "b", "c"]), _ends(["a"]), _ends([])
  (['a to c'], ['a'], [])
  """
  return [" to ".join(dict.fromkeys((times[0], times[-1])))] if times else []
