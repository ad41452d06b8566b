"""Kubernetes through `kubectl`: how its API is reached; no kind of target yet."""
