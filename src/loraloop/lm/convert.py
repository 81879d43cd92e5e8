"""The conversion process: ``python -m loraloop.lm.convert``, spoken to by ``bases.py`` only.

It needs several times the model's size in memory, which goes back to the system when the process ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .child import child_main


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Read ``spec["gguf"]`` and write it as a dense bfloat16 folder to ``spec["out"]``."""
    os.environ["TQDM_DISABLE"] = "1"
    gguf, out = Path(spec["gguf"]), Path(spec["out"])
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from .loader import quiet_transformers

    _read_headers_once()
    with quiet_transformers():
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
            model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.bfloat16)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"{gguf.name} cannot be read as a model: {error}") from error
        # A model read from GGUF calls itself quantised and then refuses to be saved; its weights here are dense.
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.is_quantized = False
        model.hf_quantizer = None
        model.save_pretrained(str(out))
        _plain(tokenizer).save_pretrained(str(out))
    say("converted")
    return {}


def _plain(tokenizer: Any) -> Any:
    """The same tokenizer without a class of its own, which ``loader.py`` then reads in one go."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        chat_template=tokenizer.chat_template,
        **tokenizer.special_tokens_map,
    )


def _read_headers_once() -> None:
    """Let the readers of one file be one reader, over a plain array.

    transformers makes three (tokenizer, config, weights), and each walks a vocabulary of 262,144 words through slices
    of a memory map, a class with a Python constructor: over half of the time of a conversion.
    """
    import gguf
    import numpy as np

    class PlainReader(gguf.GGUFReader):  # type: ignore[misc]
        @property
        def data(self) -> Any:
            return self._plain

        @data.setter
        def data(self, mapped: Any) -> None:
            self._plain = np.asarray(mapped)

    gguf.GGUFReader = lru_cache(maxsize=1)(PlainReader)


if __name__ == "__main__":
    child_main(work)
