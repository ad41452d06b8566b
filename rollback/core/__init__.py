"""The pure decisions: values in, values out. No clock, no network, no processes, no printing."""
