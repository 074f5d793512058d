"""Class names to vectors: one encoder a file, found by listing this folder.

An encoder module has DESCRIPTION and load(argument, models, device), which gives a `TextEncoder`. An encoder is named
by a spec: `NAME`, or `NAME:ARGUMENT` with a file, a folder or a name on the hub.
"""
