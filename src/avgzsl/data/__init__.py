"""The one currency, clips and classes, and how a folder of any layout becomes it."""
