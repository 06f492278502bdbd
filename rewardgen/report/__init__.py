"""What people read of a run: tables in the terminal, a Markdown and an HTML report."""
