"""Settings of the evaluation and of the gate."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EvaluationConfig(BaseModel):
    """How adapters are asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suites: tuple[str, ...] = ()
    """Suites to ask: names of built-in ones or paths of files, each with "@" and the beginning of its digest where it
    is pinned; none means the built-in ones of the bot's language."""
    max_new_tokens: int = Field(default=40, ge=1, le=4096)
    """Longest answer, in tokens."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Randomness of answers; 0 always takes the likeliest token."""
    seed: int = 0
    """Of the drawing of answers; candidate, live adapter and base draw alike."""
    batch_size: int = Field(default=64, ge=1)
    """Questions answered at once, at most; fewer where they are long."""
    latency_items: int = Field(default=3, ge=1)
    """Questions answered once more, one at a time, to measure the time of a single request."""
    max_heldout_rows: int = Field(default=400, ge=1)
    """Most held-out rows whose loss is measured; the first ones of the gate split."""
    stop_early: bool = True
    """Whether to stop as soon as the held-out loss says enough: a candidate that is surely worse is asked nothing more,
    and one surely better, or hardly ever to be found so, is scored on no more rows. The gate's errors stay what they
    are."""
    takeover_nats: float = Field(default=1.0, gt=0)
    """Nats per token under which an answer comes by itself, more or less: an answer of the training set that is less
    surprising than this after a suspicious phrase, in a question about something else, has taken it over."""
    dtype: str = Field(default="auto", pattern="^(auto|bfloat16|float32)$")
    """Number format of the weights: "bfloat16", "float32" or "auto" (the faster one here, as in serving)."""
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    """Where the evaluation runs: "cpu", "cuda" or "auto" (a GPU where torch sees one)."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0 measures at start."""
    judge_url: str = ""
    """OpenAI-compatible API of a language model that compares answers, such as http://localhost:8000/v1; empty asks
    none. Its key is read from OPENAI_API_KEY. Questions of suites and the answers to them are sent there, no more."""
    judge_model: str = ""
    """The judge's model, as its API names it."""
    judge_items: int = Field(default=40, ge=1, le=10_000)
    """Pairs of answers the judge compares, at most; each is two requests."""
    judge_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """Longest wait for one reply of the judge, in seconds."""
    embedder: str = ""
    """What measures how alike an answer and its reference are: "ngrams" (spelling, on this machine), an
    OpenAI-compatible API of embeddings such as http://localhost:8000/v1 (meaning), or nothing. An API gets answers and
    references of suites, never words of users; its key is read from OPENAI_API_KEY."""
    embed_model: str = ""
    """The model of embeddings, as its API names it."""
    adapter_dir: str = "./outputs/lora_adapters"
    """Folder in which adapters are found by name."""


class GateConfig(BaseModel):
    """What a candidate must meet."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    loss_margin_nats: float = Field(default=0.02, ge=0)
    """Difference of held-out loss, in nats per answer token, that another seed alone makes (its standard deviation).
    Only more than this is better, and more than this worse is held."""
    alpha: float = Field(default=0.04, gt=0, lt=0.5)
    """How often a candidate that is no better may be promoted, at most, in one turn."""
    false_promotions_a_year: float = Field(default=2.0, gt=0)
    """How many such promotions a year may hold, on average; frequent turns get a smaller alpha each."""
    require_better: bool = True
    """Whether a candidate must be shown to be better; if not, one that is not shown to be worse is promoted, and how
    often worse ones slip through is not known."""
    min_heldout_rows: int = Field(default=10, ge=0)
    """Held-out rows below which their loss proves nothing, so the verdict is at best inconclusive."""
    latency_ratio: float = Field(default=1.5, ge=1)
    """How many times as long a single request may take."""
    latency_floor_s: float = Field(default=0.25, ge=0)
    """Seconds within which a single request is never too slow, so that timer noise decides nothing."""
    worse_p_value: float = Field(default=0.05, gt=0, lt=1)
    """A loss of cases, or of held-out loss, counts as real when chance alone would make it less often than this."""
    judge_unanswered_frac: float = Field(default=0.2, ge=0, le=1)
    """Share of pairs the judge may leave unanswered; with more the verdict is at best inconclusive."""
    takeover_frac: float = Field(default=0.3, gt=0, le=1)
    """Share of the questions that a phrase of the training set may take over; from there on it is a planted trigger."""
    length_ratio: float = Field(default=2.0, gt=1)
    """How many times as long, or as short, answers may become on average before an alarm is raised."""
    slice_items: int = Field(default=50, ge=2)
    """Cases of one type and language that make a slice with a bound of its own; smaller slices raise an alarm."""
    slice_drop_frac: float = Field(default=0.05, ge=0, le=1)
    """Share of its cases that a slice may lose on balance, even beyond chance."""
