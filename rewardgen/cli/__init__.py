"""The command line: parse, call, print. One file per verb; heavy imports happen in ``run``."""
