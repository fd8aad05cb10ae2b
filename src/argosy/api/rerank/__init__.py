"""The rerank dialects: Cohere's and Jina's `/v2/rerank`, TEI's `/rerank`."""
