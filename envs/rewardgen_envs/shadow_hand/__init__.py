"""Shadow hand tasks: a hand of five fingers and 20 motors, palm up, with something in it."""
