# What the kernel matrix (tests/matrix) needs beside the programs and the lab's guests.
MATRIX_PRODUCTS := $(BUILD)/matrix/reason_names
TEST_EXTRA += $(MATRIX_PRODUCTS)

$(BUILD)/matrix/reason_names: $(BUILD)/obj/tests/matrix/reason_names.o $(BUILD)/libexitstat.a
	$(call link,LD,$(ES_LDFLAGS),$(CLI_LIBS))
