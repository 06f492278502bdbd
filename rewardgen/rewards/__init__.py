"""Rewards: the common source format, its vocabulary, and the sources that run inline."""
