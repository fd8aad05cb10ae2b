"""What can be converted: telling kinds of models apart, and refusing what is dangerous before anything is loaded."""
