"""What a notebook needs: the code, its libraries, a word on the machine, a look while it trains."""

import importlib.metadata
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("jax", "jaxlib", "libtpu", "flax", "optax", "numpy")  # as the machine's maker fitted them


def _version(name: str) -> str | None:
  try:
    return importlib.metadata.version(name)
  except importlib.metadata.PackageNotFoundError:
    return None


def missing() -> list[str]:
  """Those of the experiments' requirements that are not installed, or too old."""
  project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
  wanted = [*project["dependencies"], *project["optional-dependencies"]["experiments"]]
  found = {line: _version(Requirement(line).name) for line in wanted}
  return [line for line, has in found.items() if not (has and has in Requirement(line).specifier)]


def install(requirements: list[str]) -> None:
  """Installs them by pip, which may not change what the machine's accelerator rests on.

  Raises:
    RuntimeError: with pip's own words.
  """
  has = {name: _version(name) for name in KEPT}
  with tempfile.TemporaryDirectory() as folder:
    pins = Path(folder, "pins.txt")
    pins.write_text("".join(f"{name}=={version}\n" for name, version in has.items() if version))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "-c", str(pins), *requirements]
    done = subprocess.run(command, capture_output=True, text=True)
  if done.returncode:
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    reason = errors[0] if errors else done.stderr.strip() or "pip failed"
    raise RuntimeError(f"could not install {', '.join(requirements)}: {reason}")


def prepare() -> None:
  """Installs what is missing, lets the project be imported, and prints what this runs on."""
  if lacking := missing():
    print("installing", ", ".join(lacking))
    install(lacking)
  if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
  from experiments.runs.environment import environment

  here = environment()
  versions = [f"{name} {here['packages'][name]}" for name in ("jax", "flax", "optax")]
  print(", ".join([f"Python {here['python']}", *versions]))
  devices = {kind: here["devices"].count(kind) for kind in here["devices"]}
  kinds = ", ".join(f"{count} {kind}" for kind, count in devices.items())
  print(f"{here['backend']}: {kinds}; {here['cores']} cores of {here['processor']}")


class Live:
  """A watcher that calls a function now and then, as one that draws what the log has by now.

  Args:
    look: what is called, between chunks and when all members have ended.
    seconds: from one call to the next, at least.
  """

  def __init__(self, look: Callable[[], None], seconds: float = 2.0):
    self._look, self._seconds = look, seconds

  def begin(self, running: Sequence[Any]) -> None:
    del running
    self._last = time.monotonic()

  def update(self, running: Sequence[Any]) -> None:
    ended = all(member.ended for member in running)
    if time.monotonic() - self._last >= self._seconds or ended:
      self._look()
      self._last = time.monotonic()
