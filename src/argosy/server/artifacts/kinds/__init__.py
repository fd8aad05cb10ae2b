"""One module for each kind of source that can be adopted; each says how its entry is laid out."""
