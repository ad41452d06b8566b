"""Logins for registries: where credentials are kept, and how they are sent."""
