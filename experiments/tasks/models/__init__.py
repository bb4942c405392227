"""Models as pure functions: their layers are Flax NNX modules."""
