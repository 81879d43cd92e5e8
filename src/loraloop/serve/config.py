"""Settings of the gateway."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ServeConfig(BaseModel):
    """How the gateway answers, and what it keeps and refuses."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on; any but this machine's own needs a key (loraloop keys create) and allowed_hosts."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    upstream: str = ""
    """URL of an OpenAI-compatible server that answers in place of an engine of our own (http://127.0.0.1:8000/v1)."""
    upstream_model: str = ""
    """Model named to that server; empty takes the first that it lists."""
    upstream_key_file: str = ""
    """File that holds the key sent to that server; empty sends none."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which clients may call this gateway (Host header), besides localhost and the address listened on."""
    allowed_origins: tuple[str, ...] = ()
    """Origins (https://shop.example) whose pages in a browser may call it; none given means none."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=67_108_864)
    """Longest request body, in bytes."""
    max_depth: int = Field(default=32, ge=4, le=128)
    """Deepest nesting of a request's JSON."""
    max_messages: int = Field(default=200, ge=1, le=1000)
    """Most messages of one request."""
    max_choices: int = Field(default=4, ge=1, le=16)
    """Most answers that one request may ask for (n)."""
    max_active: int = Field(default=512, ge=1, le=100_000)
    """Requests answered at the same time; those above it are refused at once with 503."""
    requests_per_minute: float = Field(default=600.0, gt=0, le=1e9)
    """Requests that each key may make a minute, evenly spread but for a burst."""
    burst: int = Field(default=60, ge=1, le=1_000_000)
    """Requests that a key may make at once after a rest."""
    read_timeout_s: float = Field(default=10.0, gt=0, le=600)
    """Seconds in which a client must have sent its whole request, and may take nothing of an answer that waits."""
    total_timeout_s: float = Field(default=120.0, gt=0, le=86_400)
    """Seconds in which an answer must be whole; what came until then is marked as aborted."""
    drain_s: float = Field(default=30.0, ge=0, le=3600)
    """Seconds that answers begun before SIGTERM have to end; new requests are refused meanwhile."""
    system_messages: Literal["refuse", "ignore"] = "refuse"
    """What becomes of a client's system message. The system prompt is the release's in either case."""
    capture: Literal["best-effort", "strict", "off"] = "best-effort"
    """Whether exchanges are kept: off the request's path (counted when lost), before the answer is whole, or never."""
    consent: Literal["none", "unknown", "granted"] = "unknown"
    """Consent of requests without "store": keep no text, keep it unlearnt, or keep it to be learnt from."""
    group: Literal["", "address", "header"] = ""
    """By what rows are told apart besides their users, so that trust.group_rows can bound what one device or household
    teaches: the client's address (an IPv6 network of 64 bits is one), the header X-Client-Group that an application in
    front sends (a device's id, say), or nothing. Only a keyed digest is kept, with the conversation, and goes with
    it."""
    queue: int = Field(default=10_000, ge=1, le=1_000_000)
    """Exchanges that may wait to be written; in best-effort capture further ones are dropped and counted."""
    feedback_token_hours: float = Field(default=24.0, ge=0, le=8760)
    """Hours in which the token that comes with an answer may judge it without a key; 0 gives no tokens."""
    experiment_check_s: float = Field(default=5.0, gt=0, le=3600)
    """Seconds between two looks at a running experiment; after an answer that went wrong it is looked at at once."""
    upkeep_s: float = Field(default=300.0, gt=0, le=86_400)
    """Seconds between two looks at what is owed to people who were forgotten, and at what is kept too long."""
    guard_personal_data: bool = True
    """Whether an answer that holds personal data is replaced by a fixed reply."""
    guard_distress: bool = True
    """Whether a message that tells of self-harm, abuse or hunger gets a fixed reply that names help lines."""
    guard_unfit_words: bool = True
    """Whether an answer with words that a child must not read is replaced by a fixed reply."""
    guard_folder: str = ""
    """Folder with reviewed lists and replies (distress.json, unfit_words.json, personal_data.json); empty: built in."""
