"""Everything that runs a language model; torch and transformers are imported only when a function here is called."""
