"""Registries that tell more than the standard asks for, and so save requests."""
