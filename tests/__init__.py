"""The tests of rollback."""
