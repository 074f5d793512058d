"""Names of classes: how they are written, and the files and encoders that turn them into vectors."""
