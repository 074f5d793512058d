# Two commands do everything on a machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
REAL ?= ../shared/data/realset
CLIPS ?= ../shared/data/realclips
VIDEOS ?= ../shared/data/videos
MODELS ?= ../shared/models

.PHONY: demo app test check bench real realclips results clean

demo: $(STAMP)
	rm -rf out/demo
	$(BIN)/avgzsl demo --out out/demo

# the page over the demo's clips
app: $(STAMP)
	test -f out/demo/index/index.json || $(MAKE) demo
	$(BIN)/avgzsl serve out/demo/index

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
	$(BIN)/python -m benchmarks.closed_forms --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.seeds --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.index --document docs/scale.md
	$(BIN)/python -m benchmarks.load --document docs/scale.md
	$(BIN)/python -m benchmarks.extraction --clips $(CLIPS) --models $(MODELS) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.damage --clips $(CLIPS) $(VIDEOS) --document docs/benchmarks.md

# hours: tunes every method on every class split; what was done is kept in out/results
results: $(STAMP)
	$(BIN)/python -m benchmarks.results $(REAL) --work out/results --document docs/results.md

# the table of the README on real features: five class splits, three seeds, controls
real: $(STAMP)
	$(BIN)/python -m benchmarks.realset $(REAL) --document README.md

# real clips the whole way: the table of docs/real-clips.md
realclips: $(STAMP)
	$(BIN)/python -m benchmarks.realclips $(CLIPS) --realset $(REAL) --models $(MODELS) --work out/realclips --document docs/real-clips.md

$(STAMP): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) out build dist
