# What the kernel matrix (tests/matrix) needs beside the programs and the lab's guests.
MATRIX_PRODUCTS := $(BUILD)/matrix/reason_names
TEST_EXTRA += $(MATRIX_PRODUCTS)

$(BUILD)/matrix/reason_names: $(BUILD)/obj/tests/matrix/reason_names.o $(BUILD)/libexitstat.a
	$(call link,LD,$(ES_LDFLAGS),$(CLI_LIBS))

# Not a part of check-full, which has no time to compile a kernel.
.PHONY: check-builtin
check-builtin: ## KVM built into the kernel: build one, once, and boot it in the lab
	$(Q)scripts/deps build check lab kernel
	$(Q)$(MAKE) $(PARALLEL) all $(TEST_EXTRA)
	$(Q)tests/matrix/builtin amd 6.1-builtin
