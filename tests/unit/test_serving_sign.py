"""The sign of a gateway: seen from other processes, and gone with whoever showed it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loraloop.serve.config import ServeConfig
from loraloop.serving import computes_here
from loraloop.serving_sign import ServingSign, SignSeen

SHOW = """
import sys, time
from pathlib import Path
from loraloop.serving_sign import ServingSign
sign = ServingSign(Path(sys.argv[1]))
with sign.shown(), sign.answering():
    print("shown", flush=True)
    time.sleep(60)
"""


def seen(folder: Path) -> tuple[bool, bool]:
    """Whether somebody serves, and answers."""
    look = SignSeen(folder)
    return look.is_serving(), look.is_answering()


def test_a_sign_says_who_serves_and_whether_somebody_is_being_answered(tmp_path: Path) -> None:
    """Answers may overlap: the sign says so from the first one's begin to the last one's end."""
    sign = ServingSign(tmp_path)
    assert seen(tmp_path) == (False, False)
    with sign.shown():
        assert seen(tmp_path) == (True, False)
        first, second = sign.answering(), sign.answering()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert seen(tmp_path) == (True, True)
        second.__exit__(None, None, None)
        assert seen(tmp_path) == (True, False)
    assert seen(tmp_path) == (False, False)


def test_two_gateways_of_one_home_do_not_hide_one_another(tmp_path: Path) -> None:
    """While one of them answers, somebody is being answered."""
    one, other = ServingSign(tmp_path), ServingSign(tmp_path)
    with one.shown(), other.shown():
        with one.answering():
            with other.answering():
                pass
            assert seen(tmp_path) == (True, True)
        assert seen(tmp_path) == (True, False)


def test_looking_never_gets_in_the_way_of_showing(tmp_path: Path) -> None:
    """Whoever looks takes no lock: a gateway answers while a thousand looks are taken, and none changes anything."""
    sign, look = ServingSign(tmp_path), SignSeen(tmp_path)
    with sign.shown():
        for _ in range(1000):
            with sign.answering():
                assert look.is_answering()
            assert not look.is_answering()


def test_a_gateway_that_is_killed_leaves_no_sign_behind(tmp_path: Path) -> None:
    """SIGKILL while it answers: at once nobody serves and nobody is answered."""
    command = [sys.executable, "-c", SHOW, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"shown\n"
        assert seen(tmp_path) == (True, True)
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait()
    assert seen(tmp_path) == (False, False)


def test_a_home_that_cannot_be_written_to_serves_without_a_sign(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway says so and answers all the same."""
    sign = ServingSign(tmp_path / "missing")
    with sign.shown(), sign.answering():
        assert seen(tmp_path / "missing") == (False, False)
    assert "will not give way" in caplog.text


def test_a_look_costs_next_to_nothing(tmp_path: Path) -> None:
    """A hundred looks a second take less than a hundredth of a core, on a slow machine too."""
    with ServingSign(tmp_path).shown():
        look, begin = SignSeen(tmp_path), time.process_time()
        for _ in range(1000):
            look.is_answering()
        assert time.process_time() - begin < 0.1


@pytest.mark.parametrize(
    ("kind", "upstream", "urls", "here"),
    [
        ("embedded", "", (), True),
        ("vllm", "", ("http://gpu-1:8000", "http://127.0.0.1:8000"), True),
        ("vllm", "", ("http://gpu-1:8000",), False),
        ("upstream", "http://localhost:11434/v1", (), True),
        ("upstream", "https://api.example/v1", ("http://127.0.0.1:8000",), False),
    ],
)
def test_a_gateway_whose_model_runs_elsewhere_shows_no_sign(
    kind: str, upstream: str, urls: tuple[str, ...], here: bool
) -> None:
    """Standing still for it would help nobody; what the settings name as this machine counts as here."""
    assert computes_here(kind, ServeConfig(upstream=upstream), urls) is here
