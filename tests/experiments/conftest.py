"""Compiled programs are kept for the session: many tests run the same training."""

import jax
import pytest


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
  # Under xdist the sessions' folders lie beside each other: one cache serves all workers.
  folder = tmp_path_factory.getbasetemp()
  folder = folder.parent if folder.name.startswith("popen") else folder
  with_cache = {
    "jax_compilation_cache_dir": str(folder / "compiled"),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
  }
  before = {name: getattr(jax.config, name) for name in with_cache}
  for name, value in with_cache.items():
    jax.config.update(name, value)
  yield
  for name, value in before.items():
    jax.config.update(name, value)
