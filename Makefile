# Everything that is done with this project. Go 1.26 and Node 20 are all that has to be there.

MODULES := . oracle torture bench
LINT    := bin/golangci-lint
PAGE    := web/dist/index.html
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)

.PHONY: run build no-page talk test test-mongodb test-tools check lint generate generated prove screenshots fuzz bench bench-product bench-engine torture clean

run: build ## start on http://localhost:9000 with the embedded store in ./data
	@echo "Starting on http://localhost:9000 with the embedded store in ./data. Ctrl-C stops it."
	@echo "Try it from another terminal: make talk"
	@./bin/pryde

# Without Node the binary is built all the same; it then says how to build its page.
build: $(if $(shell command -v npm),$(PAGE),no-page) ## build bin/pryde, the page in it
	CGO_ENABLED=0 go build -trimpath -ldflags '-X pryde/internal/app.version=$(VERSION)' -o bin/pryde ./cmd/pryde

$(PAGE): $(shell find web/src web/public -type f -not -name '*.test.*') $(addprefix web/,index.html vite.config.ts package.json) | web/node_modules
	cd web && npm run --silent build -- --logLevel warn
	@touch $(PAGE)

no-page:
	@echo "There is no Node here: the binary is built without its page."

talk: web/node_modules ## two people sign up and talk through the stock socket.io-client
	cd web && node talk.mjs

test: web/node_modules build ## the tests of the server and the page, race detector on
	./scripts/test.sh

test-mongodb: web/node_modules build ## the journal's tests, and those of the whole server once more on MongoDB
	./scripts/test.sh mongodb

test-tools: build bench/node/former/node_modules ## the tests of torture and bench
	./scripts/test.sh tools

check: lint generated test test-mongodb test-tools prove ## what has to pass before a change lands

lint: $(LINT)
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(CURDIR)/$(LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

$(LINT): tools/go.mod tools/go.sum
	cd tools && go build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

generate: ## write the contracts and the TypeScript types from the catalogue
	go run ./internal/wire/gen
	go run ./cmd/pryde config -docs > docs/configuration.md

generated: ## fail where a generated file is not up to date
	go run ./internal/wire/gen -check
	go run ./cmd/pryde config -docs | diff docs/configuration.md - || (echo "docs/configuration.md: run make generate" && exit 1)

web/node_modules: web/package.json web/package-lock.json
	cd web && npm ci --no-fund --no-audit
	@touch web/node_modules

prove: ## carry out the steps of the Dockerfile in a clean folder and try the result
	./deploy/prove.sh

screenshots: build web/node_modules ## write docs/screenshots
	cd web && SCREENSHOTS=1 npx vitest run --project browser e2e/screenshots.test.ts

fuzz: ## every fuzz target for FUZZTIME (default 20s) each
	./scripts/fuzz.sh

bench: bench-product bench-engine ## every figure of docs/benchmarks.md; two hours, on a machine with nothing else to do

bench-product: build bench/node/former/node_modules ## figures of the real binary on both stores, about half an hour; writes out/bench.json and out/bench.md
	cd bench && go run . -binary $(CURDIR)/bin/pryde -store sqlite,mongo -out $(CURDIR)/out/bench.json -markdown $(CURDIR)/out/bench.md

bench/node/former/node_modules: bench/node/former/package.json bench/node/former/package-lock.json
	cd bench/node/former && npm ci --no-fund --no-audit
	@touch $@

# What is under load has five rounds. Memory does not depend on what else the machine does, and each
# look at it takes minutes of waiting, so it has fewer; ENGINE='-idle-rounds 5' has as many.
ENGINE ?= -idle-rounds 1

bench-engine: build ## the engine beside the official server and the Go library, about an hour; writes out/engine.json and out/engine.md
	cd bench && go run ./engine-figures -binary $(CURDIR)/bin/pryde -out $(CURDIR)/out/engine.json -markdown $(CURDIR)/out/engine.md $(ENGINE)

torture: build ## planted bugs must be found, then minutes of faults on each store must find nothing (15 minutes at most)
	cd torture && go run . -plants && for store in sqlite mongo mongo-journal; do go run . -store $$store -duration 2m || exit 1; done

clean:
	rm -rf bin out web/node_modules
	find web/dist -mindepth 1 -not -name .gitkeep -delete
