"""The command line: typed settings, and one clear line for what is wrong with them."""

import contextlib
import io
import itertools
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

Settings = TypeVar("Settings")


class UsageError(Exception):
  """What a user asked for cannot be done; the message is one line that says what can."""


def optional(metavar: str, default: str) -> Any:
  """How the help shows a flag whose None stands for something."""
  return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


def parse(
  kind: type[Settings],
  argv: Sequence[str] | None,
  prog: str,
  description: str | None = None,
  default: Settings | None = None,
) -> Settings:
  """Reads settings from a command line; what it leaves out is as in `default`.

  Raises:
    UsageError: with tyro's message, which it draws in a box, on one line.
  """
  box = io.StringIO()
  try:
    with contextlib.redirect_stderr(box):
      if default is None:
        return tyro.cli(kind, args=argv, prog=prog, description=description)
      return tyro.cli(kind, args=argv, prog=prog, description=description, default=default)
  except SystemExit as exit_:
    if not exit_.code:
      raise
    raise UsageError(_one_line(box.getvalue(), prog)) from None


def _one_line(box: str, prog: str) -> str:
  """The message in tyro's box: what stands between its title and its next rule."""
  box = re.sub(r"\x1b\[[0-9;]*m", "", box)
  rows = [line.strip("│| ") for line in box.splitlines()[1:]]
  is_rule = [re.fullmatch(r"[─\-╭╮╰╯+ ]*", row) is not None for row in rows]
  after_title = itertools.dropwhile(lambda row: row[1], zip(rows, is_rule, strict=True))
  message = " ".join(row for row, _ in itertools.takewhile(lambda row: not row[1], after_title))
  return f"{message.rstrip('.') or 'the command line is not understood'}. See {prog} --help."


def run_main(run: Callable[[], dict[str, Any] | None]) -> int:
  """Runs `run`; bad input and a failing disk end in one line on stderr, not in a traceback.

  Args:
    run: may give a summary, whose "interrupted" says whether a signal ended it.

  Returns:
    The exit code: 0; 1 for what the machine refused; 2 for bad input; 130 for Ctrl-C.
  """
  try:
    return 130 if (run() or {}).get("interrupted") else 0
  except UsageError as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  except OSError as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  except KeyboardInterrupt as stop:
    print(*stop.args or ["stopped"], file=sys.stderr)
    return 130
