"""Where deployed flows run."""
