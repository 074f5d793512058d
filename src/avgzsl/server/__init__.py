"""The HTTP API and the page: thin over the index, the search and the recognition.

`contract` is what the API needs of an index; `index_archive` is that for a real one. `app` puts the parts together:
routes, and around them who may ask (`access`), how much (`limits`), and what is told of it (`request_log`). `process`
runs it.
"""
