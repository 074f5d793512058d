# Two commands do everything on a machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# as a variable, so that what is built in an environment of its own hears of it, too
PIP := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip --disable-pip-version-check
REAL ?= ../shared/data/realset
CLIPS ?= ../shared/data/realclips
VIDEOS ?= ../shared/data/videos
MODELS ?= ../shared/models

SENTENCES ?= ../shared/data/descriptions/realset.csv

.PHONY: demo app test races smoke check lint types layers dockerfile wheel dist weigh programs hooks pins bench gpu pictures real \
	realclips tune results docs docs-links clean

demo: $(STAMP)
	rm -rf out/demo
	$(BIN)/avgzsl demo --out out/demo

# the page over the demo's clips
app: $(STAMP)
	test -f out/demo/index/index.json || $(MAKE) demo
	$(BIN)/avgzsl serve out/demo/index

test: $(STAMP)
	$(BIN)/python -m pytest -n auto

# the tests of processes, signals, kills and servers ten times, all tests three times, on cores that are busy already
RACES = for i in 1 2 3 4 5 6 7 8 9 10; do AVGZSL_RACES=1 $(BIN)/python -m pytest -q -n auto -m races; done; \
	for i in 1 2 3; do $(BIN)/python -m pytest -q -n auto; done
races: $(STAMP)
	$(BIN)/python -m benchmarks.busy sh -ec '$(RACES)'

# the quick part of the tests on another Python, where one runs here
smoke: $(STAMP)
	sh tools/smoke.sh $(VENV) $(VENV)-smoke

check: lint types layers dockerfile wheel

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/python tools/check_plugins.py

layers: $(STAMP)
	$(BIN)/lint-imports

dockerfile: $(STAMP)
	$(BIN)/hadolint Dockerfile

# the core alone, as a user installs it, the whole way; it needs a Python and a shell, and none of the tools of `dev`
wheel:
	sh tools/check-wheel.sh $(PYTHON)

# wheel and source distribution as they would be published, into dist
dist: $(STAMP)
	sh tools/check-dist.sh $(BIN)/python

# what the core weighs, and what each extra adds: minutes, and every library is fetched
weigh: $(STAMP)
	$(BIN)/python -m tools.weigh --python $(PYTHON) --document docs/libraries.md

# what the tests use besides Python, from Debian's packages, where it is lacking
programs:
	sh tools/programs.sh

# the quick part of `make check` before each commit
hooks: $(STAMP)
	$(BIN)/pre-commit install

# the site: no warning, each link within it leads somewhere, and nothing is asked of a network
SPHINX = $(BIN)/python -m sphinx -W --keep-going -n -q -d out/docs-trees
docs: $(STAMP)
	$(SPHINX) -b html docs out/docs
	@echo "out/docs/index.html"

# links to elsewhere, on a machine with a network
docs-links: $(STAMP)
	$(SPHINX) -b linkcheck -D nb_execution_mode=off -D suppress_warnings=myst-nb.lexer docs out/docs-links

# the newest versions of all that is installed, but of torch, into constraints.txt
pins:
	sh tools/pins.sh $(PYTHON)

# OLD is a checkout of an older version with its environment, to be measured against
OLD ?=
bench: $(STAMP)
	@mkdir -p out && date +%s >out/bench-begun
	$(BIN)/python -m benchmarks.spine --real $(REAL) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.training --real $(REAL) $(if $(OLD),--old $(OLD)) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.closed_forms --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.seeds --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.steps --document docs/benchmarks.md
	test -f out/demo/index/index.json || $(MAKE) demo
	$(BIN)/python -m benchmarks.cold_start out/demo --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.demo_words --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.map
	$(BIN)/python -m benchmarks.index --document docs/scale.md
	$(BIN)/python -m benchmarks.approximate --document docs/scale.md
	$(BIN)/python -m benchmarks.load --document docs/scale.md
	$(if $(OLD),$(BIN)/python -m benchmarks.load --old $(OLD) --document docs/scale.md)
	$(BIN)/python -m benchmarks.postgres --document docs/scale.md
	$(BIN)/python -m benchmarks.extraction --clips $(CLIPS) --models $(MODELS) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.decoding --clips $(CLIPS) --videos $(VIDEOS) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.overlap --clips $(CLIPS) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.first_page $(CLIPS) --models $(MODELS) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.frozen_memory --models $(MODELS) --document docs/scale.md
	$(BIN)/python -m benchmarks.damage --clips $(CLIPS) $(VIDEOS) --document docs/benchmarks.md
	$(BIN)/python -m benchmarks.scale --document docs/scale.md --extraction docs/benchmarks.md
	$(BIN)/python -m benchmarks.attack --document docs/security.md
	@echo "make bench took $$((($$(date +%s) - $$(cat out/bench-begun)) / 60)) minutes"

# on a machine with a GPU, by the Python and the torch that are there: no environment is made and nothing is fetched
gpu:
	PYTHONPATH=src $(PYTHON) -m benchmarks.gpu $(addprefix --part ,$(PART)) $(if $(PART),,--document docs/benchmarks.md)

# hours: settings of every method for the tables of docs/results.md, as data; what was done is kept in out/tune
TRIALS ?= 4
TEXT = --text own --text minilm+descriptions=$(SENTENCES)
tune: $(STAMP)
	$(BIN)/python -m benchmarks.tuning $(REAL) $(TEXT) --trials $(TRIALS) --work out/tune/realset --settings benchmarks/settings/realset.yaml

# all methods from tuned settings: docs/results.md; `make realclips` makes the store of the real clips
RESULTS = --settings benchmarks/settings/realset.yaml --descriptions $(SENTENCES) --work out/results --document docs/results.md
FOLDED = avgzslnet exemplars kernel-exemplars least-squares gcca eszsl sae
results: $(STAMP)
	$(BIN)/python -m benchmarks.results $(REAL) $(RESULTS) --calibrations val --seeds 1 --mark realset
	$(BIN)/python -m benchmarks.results $(REAL) $(RESULTS) --calibrations pseudo-unseen --methods $(FOLDED) --only-sentences pseudo-unseen --mark pseudo-unseen
	$(BIN)/python -m benchmarks.results out/realclips/store $(RESULTS) --calibrations val --seeds 1 --only-sentences val --models $(MODELS) --mark realclips
	$(BIN)/python -m benchmarks.own $(REAL) --descriptions $(SENTENCES) --document docs/results.md

# the pictures of the README, of the demo's clips and of the page over them
pictures: $(STAMP)
	test -f out/demo/index/index.json || $(MAKE) demo
	$(BIN)/python -m benchmarks.pictures out/demo

# AVGZSLNet on real features, of which the README shows some rows: five class splits, three seeds, controls
real: $(STAMP)
	$(BIN)/python -m benchmarks.realset $(REAL) --document docs/real-set.md --excerpt README.md

# real clips the whole way, trained and not: the tables of docs/real-clips.md
realclips: $(STAMP)
	$(BIN)/python -m benchmarks.realclips $(CLIPS) --realset $(REAL) --models $(MODELS) --work out/realclips --document docs/real-clips.md
	$(BIN)/python -m benchmarks.labels $(CLIPS) --models $(MODELS) --document docs/real-clips.md
	$(BIN)/avgzsl index $(CLIPS) --frozen --manifest $(CLIPS)/manifest.csv --models $(MODELS) --out out/named
	$(BIN)/python -m benchmarks.evidence out/named --document docs/real-clips.md

$(STAMP): pyproject.toml constraints.txt
	@echo "making the environment $(VENV), with all libraries: some minutes, in which pip says nothing"
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) $(VENV)-smoke out build dist
