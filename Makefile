# Two commands do everything on a machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
REAL ?= ../shared/data/realset

.PHONY: demo test check bench real clean

demo: $(STAMP)
	$(BIN)/avgzsl demo --out demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	sh tools/check-wheel.sh $(BIN)/python

bench: $(STAMP)
	$(BIN)/python -m benchmarks.spine --real $(REAL) --document docs/benchmarks.md

# the table of the README on real features: five class splits, three seeds, controls
real: $(STAMP)
	$(BIN)/python -m benchmarks.realset $(REAL) --document README.md

$(STAMP): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) demo build dist
