"""What all tests share."""

import importlib.metadata
import os

# Half of the suite's time is compilation. XLA fuses and emits kernels in its older way, which takes
# a third of the time, and LLVM leaves its optimizations out. What reads a compiled program asks for
# `fused_as_for_users`; `make test-floor` compiles all as users do.
# A later XLA does not know that flag, and would abort.
os.environ.setdefault(
  "XLA_FLAGS",
  "--xla_backend_optimization_level=0"
  + " --xla_cpu_use_fusion_emitters=false"
  * importlib.metadata.version("jaxlib").startswith("0.10."),
)

import functools
from pathlib import Path

import hypothesis
import jax
import pytest

hypothesis.settings.register_profile(
  "grokfax", deadline=None, derandomize=True, max_examples=50, database=None
)
hypothesis.settings.load_profile("grokfax")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 8)  # so that sharding can be tested


def pytest_configure(config):
  if os.environ.get("GROKFAX_NO_SKIPS"):
    config.pluginmanager.register(_NoSkips())


class _NoSkips:
  """Turns a skipped test into a failed one: where all data is at hand, nothing may be skipped."""

  @pytest.hookimpl(wrapper=True)
  def pytest_runtest_makereport(self, item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
      report.outcome = "failed"
      report.longrepr = f"{item.nodeid} was skipped, and GROKFAX_NO_SKIPS is set"
    return report


@pytest.fixture(scope="session")
def reference() -> Path:
  """The folder with what was recorded of the reference's own training, some 10 MB.

  It is not part of the project; `GROKFAX_REFERENCE` names it where it is at hand.
  """
  folder = os.environ.get("GROKFAX_REFERENCE")
  if not folder:
    pytest.skip("GROKFAX_REFERENCE does not name the recordings of the reference's training")
  return Path(folder)


@pytest.fixture(scope="session")
def real_data() -> Path:
  """The folder with the real data's files: mnist/, qm9/, imdb/. `GROKFAX_DATA_FILES` names it."""
  folder = os.environ.get("GROKFAX_DATA_FILES")
  if not folder:
    pytest.skip("GROKFAX_DATA_FILES does not name a folder with the real data's files")
  return Path(folder)


@pytest.fixture(scope="module")
def fused_as_for_users():
  """What is lowered and then compiled, which is to be read, XLA fuses as it does for users."""
  with pytest.MonkeyPatch.context() as patch:
    if "xla_cpu_use_fusion_emitters" in os.environ["XLA_FLAGS"]:
      compile_ = functools.partialmethod(
        jax.stages.Lowered.compile, compiler_options={"xla_cpu_use_fusion_emitters": True}
      )
      patch.setattr(jax.stages.Lowered, "compile", compile_)
    yield


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
  """Compiled programs are kept for the session: many tests run the same ones."""
  # Under xdist the sessions' folders lie beside each other: one cache serves all workers.
  folder = tmp_path_factory.getbasetemp()
  folder = folder.parent if folder.name.startswith("popen") else folder
  with_cache = {
    "jax_compilation_cache_dir": str(folder / "compiled"),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
  }
  before = {name: getattr(jax.config, name) for name in with_cache}
  for name, value in with_cache.items():
    jax.config.update(name, value)
  # The commands would else turn on the user's own.
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", with_cache["jax_compilation_cache_dir"])
  yield
  for name, value in before.items():
    jax.config.update(name, value)
