"""From token ids to text: what every language-model engine needs between its network and `Chunk`."""
