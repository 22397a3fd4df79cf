# shellcheck shell=bash
# shellcheck disable=SC2046,SC2154 # lists of thread ids; lab/lib.sh sets kvm_*
# For scenarios, beside tests/lab/lib.sh: tiny guests in arrangements in which exits could be lost, counted twice or given to another VM.
# What the guest says it did, what ftrace counted and what exitstat shows must be the same.

. tests/lab/vendor.sh

# count VM CODES: how often, by exitstat; 0 if never.
count()
{
	exitstat snapshot --vm "$1" --format json |
		jq "[.vms[0].exits.reasons[] | select(.code | IN($2)) | .count] | add // 0"
}

# did FILE JQ: a number out of what the guest printed, summed over its vCPUs.
did() { jq -s "[.[].vcpus[] | $2] | add" "$1"; }
tids() { jq -r '.vcpus[].tids[]' "$1" | tr '\n' ' '; }

# agrees TITLE FILE: the guest that wrote FILE has ended; every reason's count is ftrace's.
agrees() { same_reasons "$1" "$(reasons "$(jq -s '.[0].pid' "$2")")" "$(ftrace_reasons $(tids "$2"))"; }

# every_operation NESTED: a guest that does all it can, KVM's nested paging being on (1) or off (0). Its word is in /tmp/opsNESTED.json.
every_operation()
{
	local nested=$1 out=/tmp/ops$1.json vm fault=$NESTED_FAULT other=$SHADOW_FAULT

	[ "$nested" = 1 ] || { fault=$SHADOW_FAULT && other=$NESTED_FAULT; }
	ftrace_hist_start
	tinyguest --vcpus 2 --cpuid 2000 --touch 500 --cr3 500 --invlpg 500 --io 300 --msr 400 --hlt 20 --halt-ms 20 >"$out"
	vm=$(jq .pid "$out")
	settled "$vm"
	agrees "$kvm_paging=$nested: every reason's count equals ftrace's" "$out"
	tap_is "$kvm_paging=$nested: CPUID" "$(count "$vm" $CPUID)" "$(did "$out" .exits.cpuid)"
	tap_is "$kvm_paging=$nested: port I/O" "$(count "$vm" $IO)" "$(did "$out" .exits.io)"
	tap_is "$kvm_paging=$nested: MSR" "$(count "$vm" $MSR)" "$(did "$out" .exits.msr)"
	tap_is "$kvm_paging=$nested: HLT" "$(count "$vm" $HLT)" "$(did "$out" .exits.hlt)"
	tap_is "$kvm_paging=$nested: CR3 reads and writes" "$(count "$vm" $CR3)" $((nested ? 0 : 2000))
	tap_is "$kvm_paging=$nested: INVLPG" "$(count "$vm" $INVLPG)" $((nested ? 0 : 1000))
	tap_check "$kvm_paging=$nested: at least one fault for each touched page, and of the right kind" \
		test "$(count "$vm" "$fault")" -ge 1000 -a "$(count "$vm" "$other")" -eq 0
	tap_check "$kvm_paging=$nested: the sums of the contract hold" sums_hold "$vm"
}

# two_guests TITLE [ARG...]: at once, each with its own exits.
two_guests()
{
	local title=$1 a b f
	shift

	ftrace_hist_start
	build/lab/tinyguest --cpuid 100 --repeat 40 "$@" >/tmp/a.json &
	a=$!
	build/lab/tinyguest --io 70 --msr 50 --repeat 40 "$@" >/tmp/b.json &
	b=$!
	wait $a $b
	settled $a $b
	for f in a b; do
		agrees "$title: guest $f has its own exits only" /tmp/$f.json
	done
	tap_is "$title: CPUID of a" "$(count $a $CPUID)" 4000
	tap_is "$title: CPUID of b" "$(count $b $CPUID)" 0
	tap_is "$title: MSR of b" "$(count $b $MSR)" 2000
}

# cpuid_by_vm PID: CPUID exits of each VM of the process, oldest first.
cpuid_by_vm()
{
	exitstat snapshot --vm "$1" --format json |
		jq ".vms | sort_by(.since_ns)[] | [.exits.reasons[] | select(.code | IN($CPUID)) | .count] | add // 0"
}

concurrent_vms()
{
	local pid

	tinyguest --vms 6 --concurrent 3 --vcpus 2 --cpuid 50 --repeat 20 --pin 0 >/tmp/conc.json
	pid=$(jq -s '.[0].pid' /tmp/conc.json)
	settled "$pid"
	same "${1:+$1: }six VMs, three at a time, two vCPUs each, one process, one CPU: not mixed" \
		"$(cpuid_by_vm "$pid" | sort -n)" "$(jq '[.vcpus[].exits.cpuid] | add' /tmp/conc.json | sort -n)"
}
