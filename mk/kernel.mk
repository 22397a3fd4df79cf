# The kernel patch: its modules, and the tests that need them.
KERNEL_VERSIONS = $(shell awk '!/^\#/ && NF { print $$1 }' kernel-patch/versions.list)

# A series that cannot be built is told by its test; the other tests run nevertheless.
KERNEL_BUILD = $(Q)kernel-patch/build $(KERNEL_VERSIONS) || :

.PHONY: check-full kvm
## check, every kernel, the kernel patch (its series, its modules, patched KVM in the lab), the Debian package (takes long)
check-full:
	$(Q)scripts/deps build check browser lab kernel deb
	$(Q)$(MAKE) $(PARALLEL) test-programs
	$(KERNEL_BUILD)
	$(Q)tests/run unit e2e browser bpf lab matrix kernel deb

kvm: ## the patched modules of KVM, into build/kvm/VERSION
	$(Q)scripts/deps build lab kernel
	$(Q)kernel-patch/build $(KERNEL_VERSIONS)
