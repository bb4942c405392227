"""Trains what a study asks for, and shows what was found.

python -m experiments.studies fork              # what is there already is not trained again
python -m experiments.studies fork --part ema coupled
python -m experiments.studies fork --full       # the paper's size: an accelerator, or days
"""

import sys
from collections.abc import Sequence

from experiments import start


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  from experiments import terminal
  from experiments.fields import UsageError
  from experiments.studies import catalogue, draw, study

  def run():
    about = "\n".join([__doc__ or "", *(f"{s.name}: {s.question}" for s in catalogue.STUDIES)])
    parser = terminal.Parser("python -m experiments.studies", about)
    parser.add_argument("name", metavar="NAME", help="of a study")
    parser.add_argument("--part", nargs="+", default=[], help="some of its sweeps alone")
    parser.add_argument("--full", action="store_true", help="the full size")
    parser.add_argument("--out", type=terminal.a_path, help="its folder")
    given = parser.read(argv)
    studies = {each.name: each for each in catalogue.STUDIES}
    if given.name not in studies:
      raise UsageError(f"NAME must be one of {', '.join(studies)}; got {given.name!r}.")
    chosen = studies[given.name]
    out = given.out or study.FOLDER / f"{given.name}{'_full' * given.full}"
    terminal.use_compilation_cache()
    summary = study.run(chosen, out, full=given.full, parts=given.part)
    draw.write(chosen, out)
    return summary

  return terminal.run_main(run)


if __name__ == "__main__":
  sys.exit(start.main(main))
