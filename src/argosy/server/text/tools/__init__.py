"""Tool calls: read out of answers, and forced into them, in the syntax of each family of models."""
