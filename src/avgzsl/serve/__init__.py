"""The HTTP API and the page, thin over search and recognition."""
