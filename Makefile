# Everything that is done with this repository, by people and by CI. Each target makes what it needs first, the
# environment included, so that `git clone` and `make run` are enough on a machine with Python 3.11 and PyPI.

VENV = .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run examples check lint types layers contract repo test format generate bench bench-smoke bench-scale bench-soak \
	docs floor baseline lock wheel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Run a gateway to try out, with a broker of its own (PORT=, KAFKA=host:port, KAFKA_PORT=, WORKERS=)
	@$(BIN)/python -m tools.foreground $(BIN)/twinpost dev \
		$(if $(PORT),--port '$(PORT)') $(if $(KAFKA),--kafka '$(KAFKA)') \
		$(if $(KAFKA_PORT),--kafka-port '$(KAFKA_PORT)') $(if $(WORKERS),--workers '$(WORKERS)')

examples: test-examples ## Build the examples in every language there is a toolchain for, and run them (ARGS= are pytest's)

check: lint types layers contract repo ## Check everything that needs no running gateway

lint: $(READY) ## Check style (ruff)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(READY) ## Check types (mypy)
	@$(BIN)/mypy

layers: $(READY) ## Check that imports go one way (import-linter)
	@$(BIN)/lint-imports --no-cache --no-logo

contract: $(READY) ## Check the proto files' style, and that no released contract is broken (buf)
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/buf breaking --against proto/baseline.binpb

repo: $(READY) ## Check that documents, generated code, pins and packages tell the truth
	@$(BIN)/pytest -q tests/repo

test: $(READY) ## Run every test but the suites of their own (repo, faults, hostile, fuzz, ledger, examples, browser)
	@# Three workers on two cores: much of what tests do is to wait for a process.
	@$(BIN)/pytest -n 3 --dist loadgroup --cov --cov-report=term \
		--ignore=tests/repo --ignore=tests/faults --ignore=tests/hostile --ignore=tests/fuzz/test_fuzzing.py \
		--ignore=tests/ledger --ignore=tests/examples --ignore=tests/browser
	@$(BIN)/coverage report --include='*/twinpost_server/app/*,*/twinpost_server/core/*' --fail-under=100 \
		>$(VENV)/core-coverage.txt || { cat $(VENV)/core-coverage.txt; exit 1; }

test-%: $(READY) ## Run one suite, e.g. `make test-unit`, `make test-ledger`; ARGS= are pytest's
	@$(BIN)/pytest tests/$* $(ARGS)

bench: $(READY) ## Measure twinpost side by side with what it is measured against (ARGS='--only rest-array-100 --rounds 3')
	@BENCH_COMMAND="make $@$(if $(ARGS), ARGS='$(ARGS)')" $(BIN)/python -m bench $(ARGS)

bench-smoke: $(READY) ## Measure in short what the targets are about
	@BENCH_COMMAND="make $@$(if $(ARGS), ARGS='$(ARGS)')" $(BIN)/python -m bench --smoke $(ARGS)

bench-soak: $(READY) ## Load a gateway for twenty minutes (MINUTES=) and see how its memory goes
	@BENCH_COMMAND="make $@$(if $(MINUTES), MINUTES=$(MINUTES))" $(BIN)/python -m bench.soak $(if $(MINUTES),--minutes $(MINUTES))

bench-scale: $(READY) ## Measure what more workers, users, connections and topics cost (ARGS='--only topics')
	@BENCH_COMMAND="make $@$(if $(ARGS), ARGS='$(ARGS)')" $(BIN)/python -m bench.scale $(ARGS)

format: $(READY) ## Rewrite the sources in the one style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@$(BIN)/buf format --write

generate: $(READY) ## Write generated/ from proto/
	@$(BIN)/python -m tools.generate

docs: $(READY) ## Write the documents' generated parts from the code
	@$(BIN)/python -m tools.docs

floor: $(READY) ## Raise the coverage floor to what the last `make test` reached
	@$(BIN)/python -m tools.coverage_floor

baseline: $(READY) ## Take the contract as released: later changes may not break it
	@$(BIN)/buf build --exclude-source-info --output proto/baseline.binpb

lock: $(READY) ## Write constraints.txt, and the Python example's pins from it (ARGS=--upgrade takes newer versions)
	@$(BIN)/uv pip compile pyproject.toml --output-file constraints.txt --quiet --custom-compile-command 'make lock' \
		--universal --python-version 3.11 --generate-hashes \
		--all-extras --group bench --group build --group check --group lock --group test $(ARGS)
	@$(BIN)/uv pip compile examples/python/requirements.in --output-file examples/python/requirements.txt \
		--constraints constraints.txt --quiet --custom-compile-command 'make lock' \
		--universal --python-version 3.11 --generate-hashes

wheel: $(READY) ## Build the wheel and the source distribution into dist/
	@$(BIN)/hatchling build --target sdist --target wheel

clean: ## Remove the environment and everything built
	@rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache dist tests/kafka/target \
		bench/.cache \
		tests/*/node_modules tests/browser/page/build tests/browser/page/node_modules \
		examples/python/.venv examples/rust/Cargo.lock \
		examples/*/dist examples/*/gen examples/*/node_modules examples/*/target

$(READY): constraints.txt pyproject.toml tools/bootstrap
	@tools/bootstrap $(VENV)
	@touch $@
