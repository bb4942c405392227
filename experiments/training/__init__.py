"""Pure JAX: one run, many runs, devices. It knows no task and no method."""
