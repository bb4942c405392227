"""The terminal: command lines, one line for what is wrong, and progress."""

import argparse
import collections
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from experiments.fields import Field, UsageError, as_path, flag
from experiments.runs.outcomes import RunningMember

CACHE_BYTES = 2**30  # of compiled programs


class Parser(argparse.ArgumentParser):
  """A command line whose errors are a `UsageError`, and whose flags may have underscores."""

  def __init__(self, prog: str, about: str, *, usage: str | None = None):
    form = argparse.RawDescriptionHelpFormatter
    super().__init__(prog, usage, about, formatter_class=form, allow_abbrev=False)
    self._headings: dict[str, Any] = {}

  def error(self, message: str) -> NoReturn:
    raise UsageError(f"{message.rstrip('.')}. See {self.prog} --help.")

  def read(self, argv: Sequence[str] | None) -> argparse.Namespace:
    """The words of a command line; None is this process's own."""
    words = sys.argv[1:] if argv is None else argv
    return self.parse_args([_hyphened(word) for word in words])

  def add_field(self, field: Field, about: str, heading: str, *, several: bool = False) -> None:
    """Adds a setting's flag; without it the setting is left out of what `given` returns.

    Args:
      field: the setting.
      about: its help.
      heading: under which it stands.
      several: whether it takes more than one value.
    """
    if heading not in self._headings:
      self._headings[heading] = self.add_argument_group(heading)
    group, about = self._headings[heading], about.replace("%", "%%")
    if field.type is bool and not several:
      action = argparse.BooleanOptionalAction
      group.add_argument(flag(field.name), action=action, default=argparse.SUPPRESS, help=about)
      return
    group.add_argument(
      flag(field.name),
      type={bool: _truth, Path: a_path}.get(field.type, field.type),
      nargs="+" if several else None,
      metavar=_METAVARS[field.type],
      default=argparse.SUPPRESS,
      help=about,
    )

  def given(self, argv: Sequence[str] | None) -> dict[str, Any]:
    """What the command line gives, by name, and nothing else."""
    return vars(self.read(argv))


_METAVARS = {int: "INT", float: "FLOAT", str: "NAME", Path: "PATH", bool: "{true,false}"}


def _truth(word: str) -> bool:
  if word.lower() not in ("true", "false"):
    raise argparse.ArgumentTypeError(f"expected true or false; got {word!r}")
  return word.lower() == "true"


def a_path(word: str) -> Path:
  """A path on a command line."""
  if (path := as_path(word)) is None:
    raise argparse.ArgumentTypeError(f"expected a path; got {word!r}")
  return path


def _hyphened(word: str) -> str:
  """
  >>> _hyphened("--weight_decay=1_0"), _hyphened("a_b")
  ('--weight-decay=1_0', 'a_b')
  """
  name, equals, value = word.partition("=")
  return name.replace("_", "-") + equals + value if name.startswith("--") else word


def use_compilation_cache() -> None:
  """Turns on JAX's persistent compilation cache, unless the environment says where one is."""
  import jax

  if "JAX_COMPILATION_CACHE_DIR" in os.environ:
    return
  home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
  jax.config.update("jax_compilation_cache_dir", str(Path(home, "grokfax", "compiled")))
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
  jax.config.update("jax_compilation_cache_max_size", CACHE_BYTES)


def run_main(run: Callable[[], Mapping[str, Any] | None]) -> int:
  """Runs `run`; bad input and a failing disk end in one line on stderr, not in a traceback.

  Args:
    run: may give a summary, whose "interrupted" says whether a signal ended it.

  Returns:
    The exit code: 0; 1 for what the machine refused; 2 for bad input, or more memory than there
    is; 130 for Ctrl-C.
  """
  try:
    return 130 if (run() or {}).get("interrupted") else 0
  except UsageError as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  except OSError as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  except Exception as error:
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
      raise
    reason = (str(error).splitlines() or ["no more to be had"])[0]
    print(f"error: out of memory: {reason}", file=sys.stderr)
    return 2
  except KeyboardInterrupt as stop:
    print(*stop.args or ["stopped"], file=sys.stderr)
    return 130


class Progress:
  """A bar of all members' steps on a terminal, elsewhere a line now and then."""

  SECONDS_BETWEEN_LINES = 10.0

  def __init__(self):
    self._bar: Any = None
    self._steps: dict[tuple[Any, ...], int] = {}
    self._states: dict[tuple[Any, ...], str] = {}

  def open(self, steps: int, done: int = 0) -> None:
    """Shows the bar; until then there is nothing to see.

    Args:
      steps: of all members, if none stops early.
      done: how many of them are in the log already, of a run that is resumed.
    """
    self._total, self._first, self._done = steps, done, done
    self._bar = tqdm(
      total=steps,
      initial=done,
      unit=" steps",
      unit_scale=True,
      disable=not sys.stderr.isatty(),
      dynamic_ncols=True,
      bar_format="{n_fmt}/{total_fmt} |{bar}| {rate_fmt}, {remaining} left{postfix}",
    )
    self._begun = self._last_line = time.monotonic()

  def begin(self, running: Sequence[RunningMember]) -> None:
    """Takes a wave's members where they are."""
    for member in running:
      self._steps[tuple(member.label.items())] = member.step
    if self._bar is not None:
      self._bar.unpause()

  def update(self, running: Sequence[RunningMember]) -> None:
    """Shows where the members are."""
    if self._bar is None:
      return
    for member in running:
      name = tuple(member.label.items())
      self._done += member.step - self._steps.get(name, 0)
      self._steps[name], self._states[name] = member.step, _state(member)
      if member.ended:
        self._total -= member.budget - member.step
    self._show(self._text(running))

  def _text(self, running: Sequence[RunningMember]) -> str:
    if running and not running[0].label and running[0].last:
      return metrics(running[0].last)
    counts = collections.Counter(self._states.values())
    return ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])

  def _show(self, text: str) -> None:
    if not self._bar.disable:
      self._bar.total = self._total
      self._bar.set_postfix_str(text, refresh=False)
      self._bar.update(self._done - self._bar.n)
      return
    now = time.monotonic()
    if now - self._last_line >= self.SECONDS_BETWEEN_LINES:
      rate = (self._done - self._first) / (now - self._begun)
      left = f", {(self._total - self._done) / rate:.0f} s left" if rate else ""
      steps = f"step {self._done:,} of {self._total:,}"
      print(f"{steps}: {text}; {rate:.1f} steps/s{left}", file=sys.stderr)
      self._last_line = now

  def __enter__(self) -> "Progress":
    return self

  def __exit__(self, *_) -> None:
    if self._bar is not None:
      self._bar.close()


_STATES = ("at the goal", "running", "diverged", "ended")


def _state(member: RunningMember) -> str:
  if member.ended == "diverged":
    return "diverged"
  if member.holds:
    return "at the goal"
  return "ended" if member.ended else "running"


def metrics(record: Mapping[str, Any]) -> str:
  """A record's metrics.

  >>> metrics({"train_loss": 0.5, "val_loss": None, "train_accuracy": 0.991, "val_accuracy": 0.5})
  'train loss 0.5, val loss nan, train accuracy 99.1%, val accuracy 50.0%'
  """
  names = [n.removeprefix("train_") for n in record if n.startswith("train_")]
  pairs = [(part, name) for name in names for part in ("train", "val")]
  return ", ".join(f"{p} {n} {_digits(n, record.get(f'{p}_{n}'))}" for p, n in pairs)


def _digits(name: str, value: float | None) -> str:
  if value is None:
    return "nan"
  return f"{value:.1%}" if name == "accuracy" else f"{value:.2g}"
