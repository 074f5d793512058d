"""Pure functions of scores: how near, which classes, how good. Higher is nearer, always."""
