# The checks of the Rego in policies/. make test runs them all.

OPA = $(GO) tool opa
.PHONY: rego rego-fmt rego-check rego-test rego-examples regal

rego: rego-fmt rego-check rego-test rego-examples regal ## opa fmt, check and test with coverage, Regal

rego-fmt: ## opa fmt
	@$(OPA) fmt --fail --list policies || { echo 'not formatted: run go tool opa fmt -w policies'; exit 1; }

rego-check: ## opa check, strict and with schemas
	$(OPA) check --strict -s policies/schemas policies/gatehouse

rego-test: ## opa test, every line covered
	$(OPA) test --fail-on-empty policies/gatehouse
	@$(OPA) test --fail-on-empty --coverage --threshold 100 policies/gatehouse >/dev/null || { \
	  $(OPA) test --coverage policies/gatehouse; exit 1; }

rego-examples: ## check and test each example over the baseline, every line covered
	@sh tools/test-examples.sh "$$($(GO) tool -n opa)"

regal: ## Regal, the Rego linter (in a module of its own; its first build takes minutes)
	$(GO) -C tools/regal tool regal lint $(CURDIR)/policies
