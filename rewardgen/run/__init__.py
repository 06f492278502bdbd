"""The search: orchestrator, racing, resume."""
