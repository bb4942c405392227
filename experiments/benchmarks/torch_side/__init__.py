"""Torch's side of the comparisons; it needs torch installed, which is none of our dependencies."""
