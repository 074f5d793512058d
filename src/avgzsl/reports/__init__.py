"""What a person reads of an evaluation: tables, figures, one row per clip."""
