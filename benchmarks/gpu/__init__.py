"""What a GPU changes, and what it must not: `make gpu`, one short run that prints one table.

A part is a module of this folder with `NEEDS`, the packages that it takes beside the package's own, `SECONDS`, how long
it may take, and `rows(where)`.
"""

PARTS = ("numbers", "methods", "same_bytes", "resume", "training", "evaluation", "extraction", "search")
