"""What the originals and the served models are both asked."""

TEXTS = [
    "the pump in hall seven stopped before sunrise",
    "a young violinist lost the keys",
    "how much does a heat pump cost",
    "nobody complained",
    "replace the batteries of the smoke alarm and write to us",
    "the ferry",
]
QUERY, PASSAGES = TEXTS[2], [TEXTS[0], TEXTS[1], TEXTS[4], TEXTS[5]]
LABELS = ["calm", "curious", "cross"]
NEW_TOKENS = 12
