PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

TRIALS ?= 100
SEED ?= 1
CACHE ?= fleet1000.npz

.PHONY: help setup setup-dev run test chaos check lint types imports format clean bench-ingest bench-latency bench-outage bench-simulator bench-assessment bench-drift bench-wear bench-month bench-failures bench-risk bench-risk-simulated

help: ## what can be made here
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	@touch $@

setup: $(STAMP) ## the environment that the service needs, in .venv
setup-dev: $(DEV_STAMP) ## the same, with what the checks need

run: setup ## the demo: everything embedded, simulated lifts, the address is printed
	$(BIN)/liftwatch demo

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev
	$(BIN)/mypy

imports: setup-dev
	$(BIN)/lint-imports

check: lint types imports ## everything that needs no running program

# Servers that are killed and clocks that run are not for a machine on which something else runs at the same time.
ALONE := tests/chaos tests/integration tests/acceptance/test_main_job.py

test: export OMP_NUM_THREADS = 1
test: export OPENBLAS_NUM_THREADS = 1
test: check ## every check and every test
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(ALONE:%=--ignore=%)
	$(BIN)/python -m pytest $(ALONE)

chaos: setup-dev ## TRIALS=100 seeded failures of a whole service, from SEED=1 on; writes docs/reliability.md
	$(BIN)/python -m tests.chaos --trials $(TRIALS) --seed $(SEED) --report docs/reliability.md

bench-ingest: setup-dev ## how fast a full queue is drained; benchmarks/README.md says what is needed
	$(BIN)/python -m benchmarks.ingest

bench-latency: setup-dev ## how soon an entrapment is seen while 10,000 lifts speak
	$(BIN)/python -m benchmarks.latency

bench-outage: setup-dev ## what ten minutes without the telemetry store cost
	$(BIN)/python -m benchmarks.outage

bench-drift: setup-dev ## how late a ramp is found, against a detector that knows it; and how often nothing is
	$(BIN)/python -m benchmarks.drift_ramps

bench-wear: setup-dev ## how much of the wear of a simulated fleet is found a week ahead, and how much else
	$(BIN)/python -m benchmarks.wear_found --cache $(CACHE)

bench-simulator: setup-dev ## how fast simulated years are written, and what 10,000 live lifts cost
	$(BIN)/python -m benchmarks.simulator_history --lifts 100 --days 91
	$(BIN)/python -m benchmarks.simulator_publishing --lifts 10000 --seconds 60

bench-failures: setup-dev ## whether lifts that are called often failing are; HISTORY=folder adds a history
	$(BIN)/python -m benchmarks.failure_rates $(HISTORY)

bench-assessment: setup-dev ## what assessing 1,000 and 10,000 lifts costs, all that the service judges by joined
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.assessment

bench-month: setup-dev ## a month of 300 simulated lifts: the whole load of alerts, and whether what rang was right
	$(BIN)/python -m benchmarks.simulated_month --lifts 300 --days 30

bench-risk: setup-dev ## HISTORY=folder: predictions on a real log and on simulated fleets, into docs/quality.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.risk_escalators $(HISTORY) --write docs/quality.md

bench-risk-simulated: setup-dev ## what wear adds to the history in predictions, on a simulated fleet; into docs/quality.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.risk_simulated --cache $(CACHE) --write docs/quality.md

format: setup-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## forget the environment; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
