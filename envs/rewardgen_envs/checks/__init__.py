"""The property tests of the task contract, for any task; they simulate, but never train."""
