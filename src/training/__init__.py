"""The older system's import paths: thin translations to ``loraloop``, where the work is done."""
