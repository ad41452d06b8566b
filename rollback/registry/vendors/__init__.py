"""Registries that return more than the standard requires, and so save requests."""
