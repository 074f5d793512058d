"""Weights by name, fetched from where their authors publish them: a card each, in the folder `weights`."""
