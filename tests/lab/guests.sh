# shellcheck shell=bash
# shellcheck disable=SC2046,SC2154 # lists of thread ids; lab/lib.sh sets kvm_*
# For scenarios, beside tests/lab/lib.sh: tiny guests in arrangements in which exits could be lost, counted twice or given to another VM.
# What the guest says it did, what ftrace counted and what exitstat shows must be the same. What is done and what is judged are apart,
# since an Intel lab is too slow to judge in (tests/matrix/intel); every_operation and two_guests do both.

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

# do_operations FILE
do_operations()
{
	tinyguest --vcpus 2 --cpuid 2000 --touch 500 --cr3 500 --invlpg 500 --io 300 --msr 400 --timer 30 --hlt 20 --halt-ms 20 >"$1"
}

# judge_operations NESTED FILE
judge_operations()
{
	local mode=$kvm_paging=$1 out=$2 vm fault=$NESTED_FAULT other=$SHADOW_FAULT

	[ "$1" = 1 ] || { fault=$SHADOW_FAULT && other=$NESTED_FAULT; }
	vm=$(jq .pid "$out")
	agrees "$mode: every reason's count equals ftrace's" "$out"
	tap_is "$mode: CPUID" "$(count "$vm" $CPUID)" "$(did "$out" .exits.cpuid)"
	tap_is "$mode: port I/O" "$(count "$vm" $IO)" "$(did "$out" .exits.io)"
	tap_is "$mode: MSR" "$(count "$vm" $MSR)" "$(did "$out" '.exits.msr + .guest.timer')"
	[ $TIMER = - ] || tap_is "$mode: timers that ran out in the guest" "$(count "$vm" $TIMER)" "$(did "$out" .guest.timer)"
	tap_is "$mode: HLT" "$(count "$vm" $HLT)" "$(did "$out" .exits.hlt)"
	tap_is "$mode: CR3 reads and writes" "$(count "$vm" $CR3)" $(($1 ? 0 : 2000))
	tap_is "$mode: INVLPG" "$(count "$vm" $INVLPG)" $(($1 ? 0 : 1000))
	tap_check "$mode: at least one fault for each touched page, and of the right kind" \
		test "$(count "$vm" "$fault")" -ge 1000 -a "$(count "$vm" "$other")" -eq 0
	tap_check "$mode: the sums of the contract hold" sums_hold "$vm"
	idle_is_as_known "$mode" "$vm" "$out"
}

# 2 × 20 halts of 20 ms and more: the guest's waker knows how long it let them last.
idle_is_as_known()
{
	local idle known

	idle=$(exitstat snapshot --vm "$2" --format json | jq '.vms[0].time.idle_ns')
	known=$(did "$3" .host.halted_ns)
	# The waker sees a halt only after it began, and the vCPU wakes only after it was told to.
	tap_check "$1: idle time ($idle ns) is at least the halts' known length ($known ns), and not twice that" \
		test "$idle" -ge "$((known * 9 / 10))" -a "$idle" -lt "$((known * 2))"
}

# do_two FILE FILE ARG...: two guests at the same time.
do_two()
{
	local a b=$2 first=$1
	shift 2

	build/lab/tinyguest --cpuid 100 --repeat 40 "$@" >"$first" &
	a=$!
	build/lab/tinyguest --io 70 --msr 50 --repeat 40 "$@" >"$b" &
	wait $a $!
}

# judge_two TITLE FILE FILE
judge_two()
{
	local title=$1 file a b
	shift

	a=$(jq .pid "$1") b=$(jq .pid "$2")
	for file; do
		agrees "$title: guest $(basename "$file" .json) has its own exits only" "$file"
	done
	tap_is "$title: CPUID of the first" "$(count "$a" $CPUID)" 4000
	tap_is "$title: CPUID of the second" "$(count "$b" $CPUID)" 0
	tap_is "$title: MSR of the second" "$(count "$b" $MSR)" 2000
}

# every_operation NESTED: a guest that does all it can, KVM's nested paging being on (1) or off (0). Its word is in /tmp/opsNESTED.json.
every_operation()
{
	local out=/tmp/ops$1.json

	ftrace_hist_start
	do_operations "$out"
	settled "$(jq .pid "$out")"
	judge_operations "$1" "$out"
}

# two_guests TITLE [ARG...]: at once, each with its own exits.
two_guests()
{
	local title=$1
	shift

	ftrace_hist_start
	do_two /tmp/a.json /tmp/b.json "$@"
	settled "$(jq .pid /tmp/a.json)" "$(jq .pid /tmp/b.json)"
	judge_two "$title" /tmp/a.json /tmp/b.json
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
