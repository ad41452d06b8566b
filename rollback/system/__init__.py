"""The doors to the outside: HTTP sessions, processes and files."""
