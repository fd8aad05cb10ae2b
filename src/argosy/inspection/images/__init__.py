"""Pictures from strangers: what they are, their pixels without danger, how good they are, ready for a model."""
