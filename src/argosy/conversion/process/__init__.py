"""Running one step of a conversion in a child process that cannot outlive, outgrow or outstay its limits."""
