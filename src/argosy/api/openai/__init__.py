"""The OpenAI dialect, with vLLM's `/v1/classify`."""
