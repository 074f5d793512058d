"""The paths of the API, a file each kind."""
