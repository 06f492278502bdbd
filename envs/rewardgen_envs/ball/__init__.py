"""Ball tasks: a pusher and a ball on a table."""
