"""Long work by order of an operator: conversions and configuration searches, one after another, in child processes."""
