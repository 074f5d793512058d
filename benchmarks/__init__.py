"""Measurements: speed, memory, and the results on real data. Each prints its table and writes it where told."""
