"""loraloop: a chatbot's conversations become better LoRA adapters for it, again and again."""

__version__ = "0.1.0"
