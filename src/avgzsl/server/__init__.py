"""The HTTP API and the page: thin over the index, the search and the recognition.

`archive` is what the API needs of an index; `collection` is that for a real one. `app` puts the parts together: routes,
and around them who may ask (`access`), how much (`limits`), and what is told of it (`journal`). `server` runs it.
"""
