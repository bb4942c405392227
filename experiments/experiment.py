"""What all experiments share: settings, the run, and the table at its end.

An experiment is one file: its settings, data, model and loss, and the paper's numbers.
Once one of them is known, all are.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np

from experiments import cli, files, methods, runs
from experiments.cli import UsageError
from experiments.data import store
from experiments.figures import NAMES
from experiments.loop import Watcher
from experiments.members import Member, Program, Rules
from experiments.population import Start
from experiments.progress import Progress
from experiments.training import Split, Train, count, steps_per_epoch
from experiments.wording import digits, words


@dataclasses.dataclass(frozen=True)
class Settings(runs.RunSettings, methods.MethodSettings):
  """What can be set in every experiment."""


@dataclasses.dataclass(frozen=True)
class DataSettings(Settings):
  """What can be set in every experiment on prepared data."""

  data: Annotated[
    Path | None, cli.optional("FOLDER", f"${store.VARIABLE}, or else ~/.cache/grokfax")
  ] = None
  """where the prepared data is"""


NOT_COUNTED = {"method", "seed", "steps", "stop_when_held", *runs.WHERE}


def check_batch_size(settings: Any, examples: int, of: str) -> None:
  """Raises a `UsageError` for a batch of none or of more than there are."""
  if not 1 <= settings.batch_size <= examples:
    raise UsageError(
      f"--batch-size must be from 1 to the {examples:,} {of}; got {settings.batch_size}."
    )


def check_positive(settings: Any, *names: str) -> None:
  """Raises a `UsageError` for a setting that is not above 0, or not finite."""
  for name in names:
    if not 0 < getattr(settings, name) < float("inf"):
      raise UsageError(f"{methods.flag(name)} must be above 0; got {getattr(settings, name)}.")


@jax.jit
def _keys(seed: jax.typing.ArrayLike) -> tuple[jax.Array, jax.Array]:
  """Of the data and of the training. Jitted, as all that a start does, for a quick start."""
  data_key, key = jax.random.split(jax.random.key(seed))
  return data_key, key


def kept(settings: Any) -> dict[str, Any]:
  """The settings that make a run what it is, as `settings.json` holds them."""
  values = dataclasses.asdict(settings)
  return {name: value for name, value in values.items() if name not in runs.WHERE}


class Data(NamedTuple):
  """What a run trains on.

  Attributes:
    split: the arrays.
    origin: where they come from; empty for what is computed.
  """

  split: Split
  origin: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Experiment:
  """One experiment, as its command line, its runs and the reports need it.

  Attributes:
    name: of its module.
    settings: the type of its settings.
    presets: what stands for a setting that is left out.
    check: raises a `UsageError` for settings that will not do.
    data: (settings, key) -> the data.
    make: settings -> the training functions.
    columns: of a report: a header, and what of the summary stands under it.
    published: settings -> the source's figures for a summary, by method and choices.
    thresholds: of validation accuracy, the goal first; none where there is no accuracy.
    choices: settings that make another task of it, by other data alone.
    factors: settings that are always told, the source's own value too.
    same_split: whether all seeds train and validate on the same examples.
    full_steps: the source's budget, where the default is shorter without an accelerator.
  """

  name: str
  settings: type[Any]
  presets: methods.Presets
  check: Callable[[Any], None]
  data: Callable[[Any, jax.Array], Data]
  make: Callable[[Any], Train]
  columns: Mapping[str, str]
  published: Callable[[Any], Mapping[str, float]]
  thresholds: tuple[float, ...] = ()
  choices: tuple[str, ...] = ()
  factors: tuple[str, ...] = ()
  same_split: bool = False
  full_steps: int | None = None

  def resolve(self, settings: Any) -> Any:
    """Fills in the method's own settings and checks all of them.

    Raises:
      UsageError: says what is allowed.
    """
    if self.full_steps and settings.steps is None and jax.default_backend() != "cpu":
      settings = dataclasses.replace(settings, steps=self.full_steps)
    settings = methods.resolve(settings, self.presets)
    if not self.thresholds and methods.METHODS[settings.method].needs == "accuracy":
      fit = [name for name, method in methods.METHODS.items() if method.needs != "accuracy"]
      raise UsageError(
        f"--method {settings.method} needs a training accuracy, which {self.name} has not; "
        f"it has {', '.join(fit)}."
      )
    if not self.thresholds and settings.stop_when_held is not None:
      raise UsageError(f"--stop-when-held needs an accuracy, which {self.name} has not.")
    runs.check(settings)
    self.check(settings)
    return settings

  def _own(self, settings: Any) -> Any:
    """The source's settings of the same method and choices."""
    kept = {name: getattr(settings, name) for name in ("method", "steps", *self.choices)}
    return self.resolve(self.settings(**kept))

  def _changed(self, settings: Any) -> list[str]:
    own = self._own(settings)
    names = [field.name for field in dataclasses.fields(settings) if field.name not in NOT_COUNTED]
    return [name for name in names if getattr(settings, name) != getattr(own, name)]

  def describe(self, settings: Any) -> str:
    """Resolved settings in words: method, choices, factors, and what else is not the source's.

    Seed, budget and folders do not count.
    """
    label = " ".join([settings.method, *(getattr(settings, name) for name in self.choices)])
    others = [name for name in self._changed(settings) if name not in self.factors]
    told = [f"{name} {getattr(settings, name)}" for name in (*self.factors, *others)]
    return ", ".join([label, *told])

  def as_published(self, settings: Any) -> Mapping[str, float]:
    """The source's figures where resolved settings are the source's; else none.

    In a shorter run only what it says of first steps.
    """
    if self._changed(settings):
      return {}
    full = self.full_steps or self.presets.of(settings.method)["steps"]
    figures = self.published(settings)
    return {n: v for n, v in figures.items() if settings.steps >= full or n.endswith("_step")}

  def title(self, settings: Any) -> str:
    return f"{self.name}, {self.describe(settings)}, seed {settings.seed}"

  def report(self, settings: Any, result: Mapping[str, Any], folder: Path) -> str:
    """A small table, beside the published figures where these are the source's settings."""
    theirs = self.as_published(settings)
    slowest = self.published(dataclasses.replace(settings, method="baseline"))
    rows: list[tuple[str, ...]] = [("", "here", "published" if theirs else "")]
    for name, value in result.items():
      if (text := words(name)) is None:
        continue
      rows.append((text, digits(name, value), digits(name, theirs[name]) if name in theirs else ""))
      if name in slowest and name.endswith("_step"):
        sooner = [f"x {slowest[name] / n:.1f}" if n else "" for n in (value, theirs.get(name))]
        rows.append((f"  sooner than the published {slowest[name]:,}", *sooner))
    lines = [f"{text:40}{here:>12}{there:>12}".rstrip() for text, here, there in rows]
    stopped = [f"stopped at step {result['steps']:,}; --resume --out {folder} goes on"]
    stopped *= result["interrupted"]
    if (step := result.get("diverged_step")) is not None:
      stopped.append(f"diverged: at step {step:,} the training loss was not finite")
    pictures = [str(folder / name) for name in NAMES if (folder / name).exists()]
    where = f"results: {folder}, picture: {pictures[0]}" if pictures else f"results: {folder}"
    return "\n".join([self.title(settings), *lines, *stopped, where])

  def saved(self, folder: Path) -> Any:
    """The settings of the run in a folder.

    Raises:
      UsageError: if it has none of this experiment.
    """
    file = folder / "settings.json"
    try:
      values = {"experiment": "modular", **files.read_json(file)}
      if (name := values.pop("experiment")) != self.name:
        raise ValueError(f"they are of {name}")
      return self.resolve(self.settings(**values))
    except (ValueError, TypeError, KeyError, UsageError) as error:
      raise UsageError(f"{file} is not the settings of a run of {self.name}: {error}.") from None

  def run(self, settings: Any, watcher: Watcher | None = None) -> dict[str, Any]:
    """Trains by settings that need not be resolved; writes the folder and prints the table.

    Args:
      settings: of this experiment.
      watcher: is told of the progress; else it is shown in text.

    Returns:
      The summary, as in `summary.json`.

    Raises:
      UsageError: if the settings, the data or the folder will not do.
    """
    settings = self.resolve(settings)
    start, origin = self.start(settings)
    epoch = steps_per_epoch(count(start.split.train), settings.batch_size)
    runs.check_interval(settings, epoch)
    values = kept(settings)
    parts = (self.name, *(values[name] for name in self.choices), settings.method, settings.seed)
    name = "-".join(map(str, parts))
    saved = {"experiment": self.name, **values}
    with files.claimed(settings.out, name, saved, resume=settings.resume) as (folder, goes_on):
      if goes_on:
        runs.check_same(folder, kept(self.saved(folder)), values)
        if result := runs.ended(folder):
          print(self.report(settings, result, folder))
          return result
      runs.write_environment(folder, origin)
      self._announce(settings, epoch, origin, folder)
      program = Program(
        train=self.make(settings),
        members=[Member({}, lambda: start)],
        steps=settings.steps,
        epoch=epoch,
        interval=settings.eval_every * epoch,
        # The parameters are to be those of the evaluation at which it was held.
        chunk=None if settings.stop_when_held is None else 1,
      )
      shown = contextlib.nullcontext(watcher) if watcher else Progress(settings.steps)
      with shown as progress:
        outcome = runs.train([program], folder, self.rules(settings), progress)
      result = runs.finish(folder, settings, outcome, self.thresholds)
    print(self.report(settings, result, folder))
    return result

  def rules(self, settings: Any) -> Rules:
    """When a run with resolved settings ends."""
    return Rules(
      goal=self.thresholds[0] if self.thresholds else None,
      stop_when_held=settings.stop_when_held,
      checkpoint_every=settings.checkpoint_every,
    )

  def start(self, settings: Any, split: Split | None = None) -> tuple[Start, Mapping[str, Any]]:
    """What a run with resolved settings begins with, and where its data comes from.

    Args:
      settings: resolved.
      split: the data, where it is at hand.
    """
    data_key, key = _keys(np.uint32(settings.seed))
    split, origin = (split, {}) if split else self.data(settings, data_key)
    return Start(key, split, methods.hyperparameters(settings)), origin

  def _announce(self, settings: Any, epoch: int, origin: Mapping[str, Any], folder: Path) -> None:
    if origin:
      print(f"data: {origin['source']}, in {origin['order']} order")
    if self.full_steps and settings.steps < self.full_steps:
      print(f"shortened: the source has {self.full_steps:,} steps, as --steps {self.full_steps}")
    print(
      f"{self.title(settings)}: compiling, then up to {settings.steps:,} steps with an evaluation "
      f"every {settings.eval_every * epoch:,}; into {folder}",
      flush=True,
    )

  def main(self, argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    about = f"{self.settings.__doc__}\n\n{methods.describe(self.presets)}"
    parse = functools.partial(
      cli.parse, self.settings, argv, f"python -m experiments.{self.name}", about
    )

    def run():
      settings = parse()
      if settings.resume and settings.out and (settings.out / "settings.json").exists():
        settings = parse(default=self.saved(settings.out))  # what is left out is as it was
      return self.run(settings)

    return cli.run_main(run)
