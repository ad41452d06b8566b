"""The commands: one file each, in the same order: gather, decide, act, report."""
