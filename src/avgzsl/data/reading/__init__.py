"""From the files of a layout to rows: class lists, feature files, pairing, cache."""
