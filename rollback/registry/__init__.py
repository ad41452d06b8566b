"""What a Docker registry holds, and since when."""
