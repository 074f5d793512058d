"""New clips and new names through a run: its encoders, and what it recognises."""
