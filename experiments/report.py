"""Tables, figures and a page of many runs, from their logs.

python -m experiments.report experiments/results/modular
"""

import shlex
import sys
from collections.abc import Sequence

from experiments import start


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  from experiments import terminal
  from experiments.reports import write

  def run():
    prog = "python -m experiments.report"
    parser = terminal.Parser(prog, (write.__doc__ or "").strip())
    parser.add_argument(
      "folder", type=terminal.a_path, help="whose folders are the runs, or a sweep's"
    )
    parser.add_argument(
      "--reference",
      type=lambda word: None if word == "None" else terminal.a_path(word),
      default=write.REFERENCE,
      metavar="FILE",
      help="recorded curves of the official code, beside ours where the settings are the same; "
      "None for none",
    )
    parser.add_argument(
      "--budget", type=int, metavar="INT", help="leave out what comes after this step"
    )
    words = sys.argv[1:] if argv is None else list(argv)
    given = parser.read(words)
    command = f"{prog} {shlex.join(words)}"
    print(write.write(given.folder, command, given.reference, given.budget), end="")
    print(f"report: {given.folder / 'report.html'}", file=sys.stderr)

  return terminal.run_main(run)


if __name__ == "__main__":
  sys.exit(start.main(main))
