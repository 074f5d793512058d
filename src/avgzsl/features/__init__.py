"""Backbones over many files, resumably, into a store on disk."""
