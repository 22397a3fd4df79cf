// SPDX-License-Identifier: GPL-2.0-only
#include <exitstat/paging.h>

#include <exitstat/util.h>

/* clang-format off */
#define AT(member) offsetof(struct es_counts, member)
#define EVENT(key, member, name, help) { key, name, help, AT(member), ES_PAGING_SHOWN }
#define FULL(key, member, name, help) { key, name, help, AT(member), ES_PAGING_SHOWN_FULL }
#define L2(key, member, name, help) { key, name, help, AT(member), ES_PAGING_SHOWN_L2 }

static const struct es_paging_event events[] = {
	EVENT("mmu.faults.tdp", mmu.faults.tdp, "fault tdp", "on EPT or NPT"),
	EVENT("mmu.faults.shadow", mmu.faults.shadow, "fault shadow", "of the guest, under shadow paging"),
	EVENT("mmu.faults.mmio", mmu.faults.mmio, "fault mmio", "on emulated device memory"),
	EVENT("mmu.faults.fixed", mmu.faults.fixed, "fault fixed", "of these: an entry was set"),
	EVENT("mmu.faults.fast", mmu.faults.fast, "fault fast", "of these: fixed without the lock"),
	EVENT("mmu.faults.spurious", mmu.faults.spurious, "fault spurious", "of these: nothing was left to do"),
	EVENT("mmu.faults.emulated", mmu.faults.emulated, "fault emulated", "of these: KVM ran the instruction"),
	EVENT("cr.cr3.read", cr[ES_CR3].read, "CR3 read", "root of the page tables"),
	EVENT("cr.cr3.write", cr[ES_CR3].write, "CR3 write", "mostly address space switches"),
	EVENT("mmu.guest_walks", mmu.guest_walks, "guest walk", "by KVM, of the guest's own tables"),
	EVENT("mmu.shadow_pages.created", mmu.shadow_pages.created, "shadow page created", "page tables made, in any mode"),
	EVENT("mmu.shadow_pages.reused", mmu.shadow_pages.reused, "shadow page reused", "found again, not made"),
	EVENT("mmu.shadow_pages.synced", mmu.shadow_pages.synced, "shadow page synced", "in line with the guest's, or gone"),
	EVENT("mmu.shadow_pages.unsynced", mmu.shadow_pages.unsynced, "shadow page unsynced", "may be written without an exit"),
	EVENT("mmu.shadow_pages.zapped", mmu.shadow_pages.zapped, "shadow page zapped", "dropped; not all go by here"),
	EVENT("mmu.sptes.4k", mmu.sptes.s4k, "SPTE 4K set", "entries for 4 KiB"),
	EVENT("mmu.sptes.2m", mmu.sptes.s2m, "SPTE 2M set", "entries for 2 MiB"),
	EVENT("mmu.sptes.1g", mmu.sptes.s1g, "SPTE 1G set", "entries for 1 GiB"),
	EVENT("mmu.huge_splits", mmu.huge_splits, "huge page split", "into smaller ones"),
	EVENT("mmu.zap_all", mmu.zap_all, "zap all", "all the VM's page tables dropped"),
	EVENT("cr.cr0.read", cr[ES_CR0].read, "CR0 read", "modes"),
	EVENT("cr.cr0.write", cr[ES_CR0].write, "CR0 write", "modes"),
	EVENT("cr.cr4.read", cr[ES_CR4].read, "CR4 read", "features"),
	EVENT("cr.cr4.write", cr[ES_CR4].write, "CR4 write", "features"),
	EVENT("cr.cr8.read", cr[ES_CR8].read, "CR8 read", "interrupt priority"),
	EVENT("cr.cr8.write", cr[ES_CR8].write, "CR8 write", "interrupt priority"),
	FULL("mmu.spte_requests", mmu.spte_requests, "SPTE requested", "asked for, set or not"),
	FULL("mmu.tdp_changes", mmu.tdp_changes, "EPT/NPT entry changed", "drops included"),
	FULL("mmu.fast_attempts", mmu.fast_attempts, "fast fix", "to fix a fault without the lock"),
	L2("mmu.nested.faults", mmu.nested.faults, "L2 fault", "of guests that the VM runs"),
	L2("mmu.nested.guest_walks", mmu.nested.guest_walks, "L2 guest walk", "by KVM, of the VM's EPT or NPT"),
	L2("mmu.nested.created", mmu.nested.created, "L2 shadow page created", "made to shadow that EPT or NPT"),
	L2("mmu.nested.reused", mmu.nested.reused, "L2 shadow page reused", "found again, not made"),
	L2("mmu.nested.synced", mmu.nested.synced, "L2 shadow page synced", "in line with the VM's, or gone"),
	L2("mmu.nested.unsynced", mmu.nested.unsynced, "L2 shadow page unsynced", "may be written without an exit"),
	L2("mmu.nested.zapped", mmu.nested.zapped, "L2 shadow page zapped", "dropped; not all go by here"),
	L2("mmu.nested.4k", mmu.nested.s4k, "L2 SPTE 4K set", "entries for 4 KiB"),
	L2("mmu.nested.2m", mmu.nested.s2m, "L2 SPTE 2M set", "entries for 2 MiB"),
	L2("mmu.nested.1g", mmu.nested.s1g, "L2 SPTE 1G set", "entries for 1 GiB"),
};
/* clang-format on */

const struct es_paging_event *es_paging_events(size_t *n)
{
	*n = ES_ARRAY_SIZE(events);
	return events;
}

uint64_t es_paging_event_count(const struct es_paging_event *e, const struct es_counts *c)
{
	return *(const uint64_t *)((const char *)c + e->at);
}

bool es_paging_event_shown(const struct es_paging_event *e, bool nested, const struct es_counts *c)
{
	uint64_t count = es_paging_event_count(e, c);

	switch (e->shown) {
	case ES_PAGING_SHOWN_L2:
		/* The flag comes with the first fault or exit of L2; what was counted is shown anyway. */
		return nested || (count && count != ES_NONE);
	case ES_PAGING_SHOWN_FULL:
		return count != ES_NONE;
	default:
		return true;
	}
}

bool es_paging_events_known(const struct es_counts *c)
{
	for (size_t i = 0; i < ES_ARRAY_SIZE(events); i++)
		if (es_paging_event_count(&events[i], c) != ES_NONE)
			return true;
	return false;
}
