# Two commands on a fresh machine: `make demo` and `make test`.
# Each makes the virtual environment it needs in .venv; nothing is global.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BACKENDS := tensorflow jax torch

# CPU builds where the platform has them: tensorflow-cpu is for Linux and
# Windows on x86-64, PyTorch's wheels for macOS are CPU builds, and for Linux
# its own index has them.
UNAME := $(shell uname -sm)
TENSORFLOW := $(if $(filter Linux\ x86_64,$(UNAME)),tensorflow-cpu==2.21.0,tensorflow==2.21.0)
TORCH_INDEX ?= $(if $(filter Linux%,$(UNAME)),--extra-index-url https://download.pytorch.org/whl/cpu)
TORCH := torch==2.13.0

# Waiting threads sleep, so that two backends can share two cores.
export OMP_WAIT_POLICY := passive
export TF_CPP_MIN_LOG_LEVEL := 3
export JAX_PLATFORMS := cpu
export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES := -1
export KERAS_SEG_PARITY := $(CURDIR)/.parity

.PHONY: help demo test test-slow lint clean $(BACKENDS:%=test-%)

help:
	@echo "make demo       train on synthetic cell membranes, write pictures"
	@echo "make test       the tests, on TensorFlow, JAX and PyTorch"
	@echo "make test-slow  the tests that take minutes"
	@echo "make lint       ruff and mypy"

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TENSORFLOW) --editable .
	touch $@

# PyTorch first and by itself: a range would bring its CUDA build.
$(VENV)/.test: $(VENV)/.base
	$(BIN)/python -m pip install --quiet $(TORCH) || \
	  $(BIN)/python -m pip install --quiet $(TORCH) $(TORCH_INDEX)
	$(BIN)/python -m pip install --quiet "jax==0.10.2" --editable ".[test,lint]"
	touch $@

demo: $(VENV)/.base
	KERAS_BACKEND=tensorflow $(BIN)/keras-seg demo

test: $(VENV)/.test lint
	rm -rf $(KERAS_SEG_PARITY)
	$(MAKE) --jobs=2 --output-sync=target $(BACKENDS:%=test-%)
	$(BIN)/python -m pytest tests/compare_backends.py

$(BACKENDS:%=test-%): test-%: $(VENV)/.test
	KERAS_BACKEND=$* $(BIN)/python -m pytest -m "not slow" --durations=5

test-slow: $(VENV)/.test
	KERAS_BACKEND=torch $(BIN)/python -m pytest -m slow

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .parity .cache .ruff_cache .mypy_cache .hypothesis
