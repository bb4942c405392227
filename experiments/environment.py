"""What a run ran on: versions, machine, commit."""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import resource
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


def peak_bytes() -> int:
  """The most memory so far: of this process's first device, or of the process on a processor."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if "peak_bytes_in_use" in stats:
    return stats["peak_bytes_in_use"]
  unit = 1 if sys.platform == "darwin" else 1024
  return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


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
