"""Time, order and policy of a run: what is written when, how long to wait, and when to go back."""
