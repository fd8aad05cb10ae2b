"""Files that the runtime copies into Triton's backend directory."""
