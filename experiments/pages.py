"""Makes the numbers in the project's pages anew, from the committed runs and benchmarks.

python -m experiments.pages             # writes what changed
python -m experiments.pages --check     # names what would; exit code 1 if there is any
"""

import sys
from collections.abc import Sequence

from experiments import start


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  from experiments import terminal
  from experiments.reports.pages import markers

  would_change = []

  def run():
    parser = terminal.Parser("python -m experiments.pages", (__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.read(argv).check
    for page in (changed := markers.rewrite_all(check=check)):
      print(f"{'would change' if check else 'wrote'} {page.relative_to(markers.ROOT)}")
    would_change.extend(changed if check else ())

  return terminal.run_main(run) or int(bool(would_change))


if __name__ == "__main__":
  sys.exit(start.main(main))
