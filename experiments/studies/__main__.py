"""Trains what a study asks for, and shows what was found.

python -m experiments.studies fork              # what is there already is not trained again
python -m experiments.studies fork --part ema coupled
python -m experiments.studies fork --full       # the paper's size: an accelerator, or days
"""

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from experiments import start


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  from experiments import terminal
  from experiments.fields import UsageError
  from experiments.studies import draw, spectrum, study, trajectory
  from experiments.studies.grids import STUDIES

  words = list(sys.argv[1:] if argv is None else argv)
  modules: dict[str, Any] = {"spectrum": spectrum, "trajectory": trajectory}
  if words and words[0] in modules:
    return modules[words[0]].main(words[1:])
  studies = {each.name: each for each in STUDIES}

  def run():
    questions = [f"{each.name}: {each.question}" for each in STUDIES]
    questions += [f"{name}: {one.__doc__.splitlines()[0]}" for name, one in modules.items()]
    about = "\n".join([__doc__ or "", *questions])
    parser = terminal.Parser("python -m experiments.studies", about)
    parser.add_argument("name", metavar="NAME", help="of a study")
    parser.add_argument(
      "--part", nargs="+", default=[], help="some of its sweeps alone; a wrong one names them all"
    )
    parser.add_argument("--full", action="store_true", help="the full size")
    parser.add_argument(
      "--out", type=terminal.a_path, help="its folder (default: the committed one)"
    )
    given = parser.read(words)
    if given.name not in studies:
      known = ", ".join([*studies, *modules])
      raise UsageError(f"NAME must be one of {known}; got {given.name!r}.")
    chosen = studies[given.name]
    out = given.out or study.FOLDER / f"{given.name}{'_full' * given.full}"
    terminal.use_compilation_cache()
    summary = study.run(chosen, out, full=given.full, parts=given.part)
    draw.write(chosen, out)
    if summary.get("interrupted"):
      again = shlex.join(["python", "-m", "experiments.studies", *words])
      print(f"or, to resume the whole study:\n{again}")
    return summary

  return terminal.run_main(run)


if __name__ == "__main__":
  sys.exit(start.main(main))
