"""The content-addressed cache: files by their SHA-256, and for each source a list of the files it is made of."""
