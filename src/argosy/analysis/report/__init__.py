"""What a search found, for programs (JSON) and for people (one HTML page that needs nothing else)."""
