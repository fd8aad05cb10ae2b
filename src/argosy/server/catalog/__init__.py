"""What is served, by name, and how it stands."""
