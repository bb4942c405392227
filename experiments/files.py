"""Files that are written whole or not at all, and where the committed ones are."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.fields import UsageError

RESULTS = Path(__file__).parent / "results"  # the committed runs


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
  """A path to write to, which becomes `path` once it is written whole.

  Raises:
    OSError: naming the file, if it could not be written; then nothing is left of it.
  """
  part = path.with_name(path.name + ".part")
  try:
    yield part
    part.replace(path)
  except OSError as error:
    raise could_not_write(path, error) from None
  finally:
    with contextlib.suppress(OSError):
      part.unlink(missing_ok=True)


def could_not_write(path: Path, error: OSError) -> OSError:
  """The error, in words that name the file."""
  return OSError(error.errno, f"could not write: {error.strerror or error}", str(path))


def write_json(path: Path, value: Any) -> None:
  """Writes a JSON file."""
  with new_file(path) as part:
    part.write_text(json.dumps(value, indent=2) + "\n")


# What reading a file of ours may raise: it is not there to be read, no UTF-8, no JSON, or nested
# too deep.
DAMAGES = (OSError, ValueError, RecursionError)


def read_json(file: Path) -> dict[str, Any]:
  """What a JSON file holds; nothing if there is no such file.

  Raises:
    UsageError: if it is damaged.
  """
  try:
    if isinstance(value := json.loads(file.read_text()), dict):
      return value
  except FileNotFoundError:
    return {}
  except DAMAGES:
    pass
  raise UsageError(f"{file} is damaged: it holds no JSON object.")


def digest(file: Path, size: int | None = None) -> Any:
  """The running SHA-256 of a file, or of its first bytes; of none if it cannot be read."""
  content = b""
  with contextlib.suppress(OSError):
    content = file.read_bytes()[:size]
  return hashlib.sha256(content)
