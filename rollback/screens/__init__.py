"""How results look on a terminal: what it can show, the matrix of dates, the live lines of a run."""
