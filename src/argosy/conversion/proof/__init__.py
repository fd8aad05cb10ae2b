"""Whether what was built still says what the original says: figures, the bounds they are held to, and the choice."""
