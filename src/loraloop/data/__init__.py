"""Conversations -> Dataset: importing, judging, splitting, tokenising. The door is ``manager.LoRADataManager``."""
