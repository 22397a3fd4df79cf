# shellcheck shell=bash
# shellcheck disable=SC2154 # names of lab/lib.sh and vendor.sh
# For scenarios: tiny guests whose page faults are known, and what exitstat and ftrace must say of them; done and judged
# apart, as in guests.sh, which goes before, like mmu.sh.

threads() { jq -r '.pid, .vcpus[].tids[]' "$@" | sort -un | tr '\n' ' '; }

# do_one FILE
do_one()
{
	tinyguest --cpuid 50 --touch 500 --cr3 60 --invlpg 70 --mmio 40 >"$1"
}

# judge_one NESTED FILE STRAYS: STRAYS are the events without an owner before.
# One vCPU, so no fault is raced for. The pages it uses, beside those it touches: the code, its parameters and its stack,
# GDT and IDT; and under nested paging, where the CPU walks the guest's page tables itself, also those: one at each of
# three levels, and a table for each 2 MiB in use (the first one, and those of the touched pages).
judge_one()
{
	local nested=$1 mode=$kvm_paging=$1 out=$2 strays=$3 pages=5 vm kind fault=$SHADOW_FAULT

	vm=$(jq .pid "$out")
	# The device's page: its first access makes KVM mark the page, and is an ordinary fault.
	pages=$((pages + 500 + 1))
	[ "$nested" = 0 ] || { pages=$((pages + 3 + 2)) && fault=$NESTED_FAULT; }
	kind=$([ "$nested" = 1 ] && echo tdp || echo shadow)
	# shellcheck disable=SC2046
	same "$mode: every MMU event equals ftrace's" "$(mmu_shown "$vm")" "$(mmu_ftrace $(threads "$out"))"
	tap_is "$mode: $kind faults are the pages it used" "$(mmu_of "$vm" .faults.$kind)" $pages
	tap_is "$mode: the other kind's" "$(mmu_of "$vm" "(.faults | .tdp + .shadow - .$kind)")" 0
	tap_is "$mode: faults on device memory" "$(mmu_of "$vm" .faults.mmio)" $(($(did "$out" .guest.mmio) - 1))
	tap_is "$mode: both are the exits" "$(count "$vm" "$fault")" \
		$((pages + 39))
	tap_is "$mode: KVM's own counters: fixed and emulated" "$(mmu_of "$vm" '[.faults.fixed, .faults.emulated, .faults.spurious] | tojson' | jq -r .)" \
		"[$(if_typed "$((pages - 1)),1,0" "$pages,null,null")]"
	tap_is "$mode: paging mode" "$(exitstat snapshot --vm "$vm" --format json | jq -r .vms[0].paging.mode)" \
		"$([ "$nested" = 1 ] && echo $kvm_paging || echo shadow)"
	# To 5.10 the device's page is an entry like others, and KVM maps a few neighbours of a page ahead.
	tap_is "$mode: SPTEs" "$(mmu_of "$vm" "[(.sptes[\"4k\"] | . >= $((pages - 1)) and . <= $(if_typed $((pages - 1)) $((pages + 8)))),
		.sptes[\"2m\"], .sptes[\"1g\"]] | tojson" | jq -r .)" "[true,0,0]"
	tap_is "$mode: CR3" "$(exitstat snapshot --vm "$vm" --format json | jq -c '.vms[0].cr.cr3')" \
		"{\"read\":$((nested ? 0 : 60)),\"write\":$((nested ? 0 : 60))}"
	tap_is "$mode: INVLPG" "$(count "$vm" $INVLPG)" $((nested ? 0 : 70))
	tap_is "$mode: not nested" "$(exitstat snapshot --vm "$vm" --format json | jq -c '[.vms[0].paging.nested, (.vms[0].mmu.nested | add)]')" \
		"[false,$([ "$nested" = 1 ] && if_typed 0 null || echo null)]"
	tap_is "$mode: events without an owner" $(($(mmu_strays) - strays)) 0
}

# do_busy FILE
do_busy()
{
	tinyguest --vcpus 2 --touch 300 --cr3 20 --remap 200 --mmio 20 --repeat 3 >"$1"
}

# judge_busy NESTED FILE
# Page tables that change while they are shadowed, pages that come and go, two vCPUs: whatever happens, both count it.
judge_busy()
{
	local nested=$1 mode=$kvm_paging=$1 out=$2

	# shellcheck disable=SC2046
	same "$mode: a busy guest's events equal ftrace's" "$(mmu_shown "$(jq .pid "$out")")" "$(mmu_ftrace $(threads "$out"))"
	[ "$nested" = 1 ] || tap_check "$mode: shadow pages were unsynced and synced" \
		test "$(mmu_of "$(jq .pid "$out")" '.shadow_pages | [.unsynced, .synced] | min')" -gt 0
}
