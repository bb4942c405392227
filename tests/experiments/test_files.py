"""Files that are written whole or not at all."""

import pytest

from experiments import files


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
  path = tmp_path / "file"

  def write_half():
    with files.new_file(path) as part:
      part.write_text("half")
      raise OSError(28, "No space left on device")

  with pytest.raises(OSError, match=r"could not write: No space left on device.*file"):
    write_half()
  assert list(tmp_path.iterdir()) == []
