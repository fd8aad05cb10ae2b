"""What a picture says of itself, read without any decoder: bounded walks over bytes, safe in the serving process."""
