"""Settings, option values and shell completion: what the user chose, checked once."""
