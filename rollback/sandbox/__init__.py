"""A registry, a Marathon and a small fleet on loopback, for trying, rehearsing and the tests."""
