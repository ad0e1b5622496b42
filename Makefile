# Everything that is done with this project. Go 1.26 and Node 20 are all that has to be there.

MODULES := . oracle torture bench
LINT    := bin/golangci-lint

.PHONY: run build talk test check lint generate generated fuzz bench torture clean

run: build ## start on http://localhost:9000 with the embedded store in ./data
	@echo "Starting on http://localhost:9000 with the embedded store in ./data. Ctrl-C stops it."
	@echo "Try it from another terminal: make talk"
	@./bin/pryde

build: ## build bin/pryde
	CGO_ENABLED=0 go build -trimpath -o bin/pryde ./cmd/pryde

talk: web/node_modules ## two people sign up and talk through the stock socket.io-client
	cd web && node talk.mjs

test: web/node_modules build ## all tests, race detector on
	./scripts/test.sh

check: lint generated test ## what has to pass before a change lands

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

web/node_modules: web/package-lock.json
	cd web && npm ci --no-fund --no-audit
	@touch web/node_modules

fuzz: ## every fuzz target for FUZZTIME (default 20s) each
	./scripts/fuzz.sh

bench: build ## figures of the real binary; writes out/bench.json
	cd bench && go run . -binary $(CURDIR)/bin/pryde -out $(CURDIR)/out/bench.json

torture: build ## planted bugs must be found, then minutes of faults must find nothing
	cd torture && go run . -plants && go run . -duration 3m

clean:
	rm -rf bin out web/node_modules
