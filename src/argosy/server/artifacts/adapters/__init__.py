"""LoRA adapters in PEFT's file layout: a folder of them becomes model store entries derived from their bases."""
