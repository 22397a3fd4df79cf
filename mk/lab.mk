# The lab's guests. Static where they go into an initramfs.
LAB	:= $(BUILD)/lab
LAB_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE
LAB_PRODUCTS := $(LAB)/tinyguest $(LAB)/guest.img
TEST_EXTRA += $(LAB_PRODUCTS)

$(LAB)/tinyguest: $(wildcard lab/guests/tinyguest*.[chS]) mk/lab.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LAB_CFLAGS) -pthread -o $@ $(filter %.c %.S,$^)

$(LAB)/guestload: lab/guests/guestload.c mk/lab.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LAB_CFLAGS) -static -s -o $@ $<

# The user space of lab/guests/linux-boot's guest.
$(LAB)/guest.img: $(LAB)/guestload lab/guests/guest-init mk/lab.mk
	$(call say,CPIO,$@)
	$(Q)rm -rf $@.d && mkdir -p $(addprefix $@.d/,bin proc dev)
	$(Q)install -m 755 /bin/busybox $< $@.d/bin && install -m 755 lab/guests/guest-init $@.d/init
	$(Q)cd $@.d && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --quiet >../$(@F).tmp
	$(Q)rm -r $@.d && mv $@.tmp $@

.PHONY: lab-guests
lab-guests: $(LAB_PRODUCTS) ## the guests that run in the lab
