# The first Python 3 there is: it looks for one that is new enough by itself.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p && break; done)
BOOTSTRAP = $(or $(PYTHON),$(error Python 3.11 or newer is needed: install python3 and its venv module)) cpo_platform/runner/bootstrap.py
BIN = .venv/bin
ARGS ?=
PORT ?= 8000
SANDBOX_PORT ?= 8100
# One more than processors, as each waits now and then.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n + 1 : 4)))

.DEFAULT_GOAL := help
.PHONY: help run sandbox setup setup-dev reset test e2e search bench chaos check lint format types layers audit migrations conformance openapi lock

help: ## Show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

run: setup ## Run the platform with its demonstration: PORT=8000, DEMO=0 leaves the demonstration out
	@exec $(BIN)/python -m cpo_platform.runner run --die-with-parent

sandbox: setup ## Be an eMSP, beside a platform without the demonstration: TOKEN=token-a PORT=8000 SANDBOX_PORT=8100
	@test -n "$(TOKEN)" || { echo "make sandbox TOKEN=…: the token A of an invitation (Roaming, Partners, Invite a partner)." >&2; exit 2; }
	@exec $(BIN)/python -m sandbox.emsp --port $(SANDBOX_PORT) --public-url http://localhost:$(SANDBOX_PORT) \
		--versions-url http://localhost:$(PORT)/ocpi/versions --token-a "$(TOKEN)"

setup: ## Make .venv with what the platform needs
	@$(BOOTSTRAP) requirements.txt

setup-dev: ## Make .venv with what development needs, too
	@$(BOOTSTRAP) requirements-dev.txt

reset: setup ## Wipe the data of `make run`
	@$(BIN)/python -m cpo_platform.runner reset

test: setup-dev ## Run the tests on servers of their own: ARGS="-k pricing -x"
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

e2e: setup-dev ## Do the commonest jobs of staff in a real browser, by keyboard: ARGS="-k location"
	$(BIN)/python -m pytest tests/e2e $(ARGS)

search: setup-dev ## Look for what breaks a rule among EXAMPLES=100 times the random examples of the tests
	EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m hypothesis --ignore tests/conformance $(ARGS)

bench: setup ## Measure prices, pages, chargers and push, beside simpler ways: ARGS are for push
	@$(BIN)/python -m bench.pricing
	@$(BIN)/python -m bench.pages
	@$(BIN)/python -m bench.ocpp
	@$(BIN)/python -m bench.push $(ARGS)

chaos: setup ## Kill, wipe and break everything at random, and compare: ARGS="--minutes 20 --seed 7"
	@$(BIN)/python -m bench.chaos $(ARGS)

# Types take longest, and one processor: the tests begin once the quick checks are through.
check: ## Run everything that CI runs
	@$(MAKE) --jobs 2 types lint layers migrations audit test

lint: setup-dev ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup-dev ## Put the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: setup-dev ## Check the types
	$(BIN)/mypy .

layers: setup-dev ## Check who imports whom
	$(BIN)/lint-imports

migrations: setup-dev ## Check that the migrations say what the models say
	$(BIN)/python manage.py makemigrations --check --dry-run

audit: setup-dev ## Look for known faults of what we depend on: passes, and says so, without a service that knows
	@$(BIN)/python -m cpo_platform.runner.audit

conformance: setup-dev ## Write docs/conformance.md: which test shows which rule of OCPI
	$(BIN)/python -m tests.conformance

openapi: setup-dev ## Write docs/openapi: what we serve, for partners
	$(BIN)/python manage.py write_openapi

lock: ## Lock the requirements anew: needs uv
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --no-emit-index-url -o requirements.txt requirements.in
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --generate-hashes --no-emit-index-url -c requirements.txt -o requirements-dev.txt requirements-dev.in
