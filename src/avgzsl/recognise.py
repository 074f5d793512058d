"""Clip to classes, for any list of names."""
