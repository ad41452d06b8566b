"""What the program costs, measured side by side with others."""
