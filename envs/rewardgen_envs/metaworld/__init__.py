"""MetaWorld tasks: a Sawyer arm over a table, and things to push, pull and turn."""
