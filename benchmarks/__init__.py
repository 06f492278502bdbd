"""Performance claims as scripts; see README.md."""
