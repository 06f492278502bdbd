"""Designers: who proposes reward candidates."""
