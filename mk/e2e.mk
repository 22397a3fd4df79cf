# The client of the end-to-end tests: what socat would do, and what it would not.
TEST_EXTRA += $(BUILD)/e2e/client

$(BUILD)/e2e/client: tests/e2e/client.c $(BUILD)/.flags | $(BUILD)/.tools
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ES_CFLAGS) $(ES_LDFLAGS) -o $@ $<
