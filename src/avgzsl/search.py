"""Text or clip to hits."""
