# The versions the lock was tested on, newest first.
VERSIONS := 3.13 3.12 3.11
VERSION ?= $(shell for v in $(VERSIONS); do .ci/find-python $$v >/dev/null && echo $$v && break; done)
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
READY := $(VENV)/ready
TRIALS ?= data/trials
PLANS ?= analyses

# Byte code is kept, in .venv and beside the sources, as the compiled kernels are.
unexport PYTHONDONTWRITEBYTECODE

# $(call each-version,TARGETS): make TARGETS with each version that is found
each-version = for v in $(VERSIONS); do if .ci/find-python $$v >/dev/null; then $(MAKE) --no-print-directory $(1) VERSION=$$v || exit 1; fi; done

.DEFAULT_GOAL := help
.PHONY: agreement bench docs fuzz simulate slips help report analyses figures validate reference calibrate calibrate-models test test-slow test-all lint quarto lock wheel clean setup setup-all
.DELETE_ON_ERROR:

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

report: $(READY) ## build the evidence summary to reports/_site/index.html
	@$(BIN)/vfmeta report --trials $(TRIALS) --plans $(PLANS) $(if $(filter data/trials-analyses,$(TRIALS)-$(PLANS)),--snapshots reports/snapshots)

analyses: $(READY) ## carry out the analyses, results in build/results
	@$(BIN)/vfmeta run --trials $(TRIALS) --plans $(PLANS)

figures: $(READY) ## carry out the analyses and draw every figure as SVG and PNG, in build/figures
	@$(BIN)/vfmeta figures --trials $(TRIALS) --plans $(PLANS)

validate: $(READY) ## check the trial tables
	@$(BIN)/vfmeta validate $(TRIALS)

docs: $(READY) ## build the documentation, every example run, to build/docs/index.html
	@$(BIN)/python -m docs.build

test: $(READY) ## run the tests, but for the slow studies and the pages of the whole review
	@$(BIN)/python -m pytest -m "not slow" -n auto --no-loadscope-reorder

test-slow: $(READY) ## run the slow studies, and look at the pages of the whole review
	@$(BIN)/python -m pytest -m slow -n auto --no-loadscope-reorder || [ $$? -eq 5 ] # 5: no test is marked slow

test-all: ## run all tests on each of Python 3.11, 3.12 and 3.13 that is found
	@$(call each-version,test test-slow)

reference: $(READY) ## every reference case (of CASES=folder, or tests/reference) through the public functions
	@$(BIN)/python -m tests.reference_runner $(if $(CASES),'CASES=$(CASES)')

agreement: $(READY) ## exact posteriors beside PyMC's (bayesmeta cases, or CASES=folder, and the review), pools beside statsmodels'
	@$(BIN)/python -m tests.reference_runner.agreement 'TRIALS=$(TRIALS)' 'PLANS=$(PLANS)' $(if $(CASES),'CASES=$(CASES)')

bench: $(READY) ## time vfmeta and others on the same data, to benchmarks/results.md; OLD=checkout: only beside that build
ifdef OLD
	@$(BIN)/python benchmarks/beside.py $(OLD)
else
	@$(BIN)/python -W ignore benchmarks/bench.py
	@$(BIN)/python -W ignore benchmarks/bayes.py
	@$(BIN)/python -W ignore benchmarks/networks.py
	@$(BIN)/python -W ignore benchmarks/exchange.py
	@test ! -f reports/_site/one-file.html || $(BIN)/python benchmarks/pages.py reports/_site
endif

fuzz: $(READY) ## hostile inputs by the thousand (INPUTS=25000, SEED=1): each is answered, or refused in words
	@$(BIN)/python -m benchmarks.fuzz $(or $(INPUTS),25000) --seed $(or $(SEED),1)

simulate: $(READY) ## coverage, levels, networks and partial reports by simulation, to reports/*.md
	@$(BIN)/python -m benchmarks.simulate

slips: $(READY) ## mistype every figure of the trial tables in turn: how many slips the checks catch
	@$(BIN)/python -m benchmarks.slips

lint: $(READY) ## style, types and the floors of the house
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typed.py # what a type checker sees of the face
	@$(BIN)/lint-imports --no-logo

quarto: analyses ## render the Quarto reports, where Quarto is installed
	@command -v quarto >/dev/null || { echo "Quarto is not installed. Get it from https://quarto.org/docs/get-started/ and run 'make quarto' again; 'make report' needs no Quarto."; exit 1; }
	@VFMETA_TRIALS=$(abspath $(TRIALS)) VFMETA_PLANS=$(abspath $(PLANS)) QUARTO_PYTHON=$(abspath $(BIN)/python) quarto render reports

calibrate: $(READY) ## simulation-based calibration of the exact Bayesian engine
	@$(BIN)/python -m vfmeta.bayes.calibration

calibrate-models: $(READY) ## simulation-based calibration of the PyMC models, to reports/calibration.md
	@$(BIN)/python -m benchmarks.calibrate_models

wheel: $(READY) ## build the wheel, with the trial tables inside, to dist/
	@$(BIN)/hatchling build -t wheel -d dist

lock: | $(READY) ## resolve the lock anew
	$(BIN)/uv pip compile pyproject.toml --extra all --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -q -o requirements.lock

clean: ## remove everything that can be made again
	rm -rf .venv build dist reports/_site reports/_quarto_site reports/.quarto .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(READY) ## make the virtual environment only

setup-all: ## set up each of Python 3.11, 3.12 and 3.13 that is found, and check the trial tables with it
	@$(call each-version,validate)

$(READY): requirements.lock pyproject.toml
	@test -n "$(VERSION)" || { echo "No Python of $(VERSIONS) with venv was found. Install one of them, with its venv module."; exit 1; }
	@.ci/set-up $(VERSION) $(VENV)
