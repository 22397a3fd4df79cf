# The lab's guests. Static where they go into an initramfs.
LAB	:= $(BUILD)/lab
LAB_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE
LAB_PRODUCTS := $(LAB)/tinyguest
TEST_EXTRA += $(LAB_PRODUCTS)

$(LAB)/tinyguest: lab/guests/tinyguest.c lab/guests/tinyguest.S lab/guests/tinyguest.h mk/lab.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LAB_CFLAGS) -pthread -o $@ $(filter %.c %.S,$^)

$(LAB)/guestload: lab/guests/guestload.c mk/lab.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LAB_CFLAGS) -static -s -o $@ $<

.PHONY: lab-guests
lab-guests: $(LAB_PRODUCTS) ## the guests that run in the lab
