"""Studies: named questions, their runs, and what is drawn from them."""
