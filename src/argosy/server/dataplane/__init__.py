"""From texts and prompts to tensors and back, one class per task."""
