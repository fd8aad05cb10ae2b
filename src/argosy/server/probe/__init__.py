"""What machine this is, and what it lacks."""
