# The Debian package.
.PHONY: deb
deb: ## the Debian package, into build/deb/
	$(Q)scripts/deps build deb
	$(Q)scripts/build-deb
