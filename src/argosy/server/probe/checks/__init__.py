"""What `argosy doctor` looks at; one small module for each subject."""
