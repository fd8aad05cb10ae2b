"""How much may be asked at once, and until when."""
