"""What a run ran on: command, versions, machine, commit."""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax


def _commit() -> str | None:
  """The commit of the code that runs, with "+" where it was changed since; None if unknown."""

  def git(*arguments):
    return subprocess.run(
      ["git", *arguments],
      cwd=Path(__file__).parent,
      capture_output=True,
      text=True,
      check=True,
      timeout=10,
    ).stdout.strip()

  try:
    return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
  except (OSError, subprocess.SubprocessError):
    return None


def _processor() -> str:
  with contextlib.suppress(OSError):
    for line in Path("/proc/cpuinfo").read_text().splitlines():
      if line.startswith("model name"):
        return line.partition(":")[2].strip()
  return platform.processor() or platform.machine()


def _command() -> str:
  """The command line of this process, as one would type it."""
  spec = getattr(sys.modules.get("__main__"), "__spec__", None)
  if spec is None:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
  return shlex.join(["python", "-m", spec.name.removesuffix(".__main__"), *sys.argv[1:]])


def _versions(*packages: str) -> dict[str, str]:
  """Of those that are installed; a checkout may be run without."""
  found = {}
  for name in packages:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      found[name] = importlib.metadata.version(name)
  return found


def environment() -> dict[str, Any]:
  """What ran, and on what."""
  return {
    "command": _command(),
    "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "commit": _commit(),
    "python": platform.python_version(),
    "packages": _versions("grokfax", "jax", "jaxlib", "optax", "flax", "numpy", "torch"),
    "system": f"{platform.system()} {platform.machine()}",
    "processor": _processor(),
    "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    "backend": jax.default_backend(),
    "devices": [device.device_kind for device in jax.devices()],
  }
