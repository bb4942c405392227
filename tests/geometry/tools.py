"""What the tests of geometry share."""

from tests.helpers import run


def once(tx, g, w):
  """The first update, of a gradient and parameters."""
  return run(tx, [g], w)[0][0]
