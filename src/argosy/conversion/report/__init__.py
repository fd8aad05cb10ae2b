"""What a conversion found out, for people and for programs."""
