"""Tasks in other libraries' shapes."""
