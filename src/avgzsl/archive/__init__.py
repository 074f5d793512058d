"""Embeddings of an archive on disk: one engine a file behind one small Protocol."""
