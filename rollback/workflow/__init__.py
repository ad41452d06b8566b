"""What the commands share: the way from options and settings to a plan, and from a plan to its outcome."""
