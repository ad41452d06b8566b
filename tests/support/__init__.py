"""Real components for tests: started, filled, stopped."""
