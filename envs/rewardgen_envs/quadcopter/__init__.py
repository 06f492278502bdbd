"""Quadcopter tasks: a body with four rotors."""
