"""A real but tiny causal LM, made on the spot: for tests that need a model and not its wits."""

from __future__ import annotations

from pathlib import Path

_TEXTS = (
    "Hello, how are you today? I am fine, thank you.",
    "What would you like to eat for lunch? Rice, noodles or soup, whatever you like best.",
    "안녕하세요, 오늘은 무엇을 먹고 싶어요? 따뜻한 국수와 김밥이 좋아요.",
    "배고파요. 급식카드로 갈 수 있는 착한가게를 알려 주세요.",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_base(folder: Path, *, chat: bool = True, seed: int = 0, hidden: int = 32, layers: int = 2) -> Path:
    """Write a randomly initialised Llama and a byte-level tokenizer to ``folder``; takes about a second.

    Args:
        folder: made if missing.
        chat: whether the tokenizer has a chat template.
        seed: of the weights; another seed is another base.
        hidden: width; layers: depth.

    Returns:
        ``folder``, which ``find_base`` and transformers load like any other.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder, chat)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        for weight in model.parameters():
            weight.data.mul_(3.0)  # wide enough that answers differ between prompts
    model.to(torch.bfloat16).save_pretrained(str(folder))
    return folder


def _write_tokenizer(folder: Path, chat: bool) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    specials = ["<|begin|>", "<|im_end|>", "<|im_start|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=specials[0], eos_token=specials[1])
    fast.add_special_tokens({"additional_special_tokens": specials[2:]})
    if chat:
        fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(str(folder))
    return len(fast)
