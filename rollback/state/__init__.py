"""What lasts between runs: records, locks, freezes."""
