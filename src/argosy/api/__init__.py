"""Wire dialects, independent of one another, over what `http` shares."""
