# shellcheck shell=bash
# For the tests in this folder: a lab whose KVM is ours, and what must agree there.
# Outside the lab only boot_patched is used, unless JUDGE is set; inside it, lab/lib.sh and tests/lab/lib.sh are here too.

# boot_patched KERNEL LAB-OPTION... SCRIPT: run SCRIPT in the lab, on that kernel, with the patched
# modules made for it (those in $KVM_MODULES, if that is set).
boot_patched()
{
	local kernel=$1 release series modules file files=()
	shift

	release=$(<"$(lab/kernel "$kernel")/version") || exit 1
	# Two series may name one kernel, when the archive goes from one to the next: that of this release, else the last.
	series=$(awk -v kernel="$kernel" -v release="$release" '!/^#/ && $3 == kernel && !found {
		series = $1
		found = index(release, substr($1, 2) ".") == 1
	} END { print series }' kernel-patch/versions.list)
	modules=${KVM_MODULES:-$PWD/build/kvm/$series}
	if [ -e "$modules/rebase" ]; then
		echo "1..0 # SKIP rebase needed: $(<"$modules/rebase")"
		exit 0
	fi
	if [ "$(cat "$modules/release" 2>/dev/null)" != "$release" ]; then
		printf '1..1\nnot ok 1 - %s\n' "$modules has the modules for Linux $release: run kernel-patch/build $series"
		exit 1
	fi
	modules=$(readlink -f "$modules")
	for file in "$modules"/*.ko "$modules/release"; do
		files+=(--add "$file")
	done
	exec lab/run --kernel "$kernel" --env KVM_MODULES="$modules" "${files[@]}" "$@"
}

[ "${LAB:-}${JUDGE:-}" ] || return 0

. tests/lab/lib.sh
. tests/lab/vendor.sh
. tests/lab/qemu.sh

# shellcheck disable=SC2034 # for who sources this
exit_cpuid=/sys/module/kvm/parameters/exit_cpuid

# codes: the lines of exit_stats on stdin as "CODE COUNT", both decimal, sorted, like everybody else's.
codes()
{
	local code n

	while read -r code n _; do
		printf '%d %d\n' "$code" "$n"
	done | sort -n
}

# agree NAME COUNTS VM TIDS: "CODE COUNT" lines that the kernel counted; BPF's of that VM (an id or a
# pid) and ftrace's of those threads are the same.
agree()
{
	# shellcheck disable=SC2154 # lab/lib.sh's
	local name=$1 counts=$2 vm=$3 failed=$tap_failed
	shift 3

	same "$name: BPF counts what the kernel counts" "$counts" "$(reasons "$vm")"
	# shellcheck disable=SC2048,SC2086 # a list of threads
	same "$name: ftrace counts what the kernel counts" "$counts" "$(ftrace_reasons $*)"
	[ "$tap_failed" -eq "$failed" ] || exitstat status --no-cost --format json | jq -c '.health, .vms // empty' | sed 's/^/# /'
}

# wrong NESTED FILE: what does not agree in what `tinyguest --leaves --stats` printed; nothing if all does.
wrong() { jq -r --argjson nested "$1" --arg isa "$isa" -f tests/kernel/leaves.jq "$2" 2>&1 | head -n 20; }

# one NAME NESTED FILE: all that counted agree about the only VM of a tinyguest.
one()
{
	local pid tids counts

	tap_is "$1: guest, leaves, debugfs and statistics agree" "$(wrong "$2" "$3")" ''
	{ read -r pid && read -r tids && counts=$(codes); } < <(
		jq -r '.pid, ([.vcpus[].tids[]] | join(" ")), (.exit_stats // "" | rtrimstr("\n"))' "$3")
	agree "$1" "$counts" "$pid" "$tids"
}

# --- QEMU (see tests/lab/qemu.sh) -------------------------------------

# What query-stats says, for each vCPU: [[CODE, COUNT], ...]. This QEMU lists a histogram from its end.
read -r -d '' qmp_by_vcpu <<'JQ'
{exit_npf: 1024, exit_avic_incomplete_ipi: 1025, exit_avic_unaccelerated_access: 1026, exit_vmgexit: 1027,
 exit_svm_pml_full: 1031, exit_vmrun_err: 4294967295, exit_vmrun_busy: 4294967294,
 exit_vmrun_idle_required: 4294967293, exit_vmrun_invalid_pmc: 4294967292} as $scalars |
[.return[] | [.stats[] |
	if .name == "exit_counts" then .value | reverse | to_entries[] | [.key, .value]
	else [$scalars[.name], .value] end] | map(select(.[1] > 0)) | sort]
JQ

# agree_paused NAME: the guest of qemu_start is paused; its four witnesses, and each vCPU alone.
agree_paused()
{
	local name=$1 counts by_vcpu

	counts=$(codes <"$qemu_dir/exit_stats")
	by_vcpu=$(qmp query-stats '{"target": "vcpu", "providers": [{"provider": "kvm", "names": ["exit_counts", "exit_npf",
		"exit_avic_incomplete_ipi", "exit_avic_unaccelerated_access", "exit_vmgexit", "exit_svm_pml_full",
		"exit_vmrun_err", "exit_vmrun_busy", "exit_vmrun_idle_required", "exit_vmrun_invalid_pmc"]}]}' | jq -c "$qmp_by_vcpu")
	same "$name: QMP query-stats counts what the kernel counts ($(awk '{ n += $2 } END { print n }' <<<"$counts") exits, $(wc -l <<<"$counts") reasons)" \
		"$counts" "$(jq -r 'add | group_by(.[0])[] | "\(.[0][0]) \(map(.[1]) | add)"' <<<"$by_vcpu")"
	agree "$name" "$counts" "$qemu_pid" "$(ls "/proc/$qemu_pid/task")"
	same "$name: QMP and BPF agree for each vCPU" "$(jq -c 'sort[]' <<<"$by_vcpu")" \
		"$(exitstat snapshot --vm "$qemu_pid" --per-vcpu --format json |
			jq -c '[.vms[0].per_vcpu[].exits.reasons | map([.code, .count]) | sort] | sort[]')"
}
