"""The commands: one file each, read as a story: gather, decide, act, tell."""
