"""What a run keeps: an append-only log of events and immutable artifacts. Imports nothing heavy."""
