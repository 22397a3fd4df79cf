# shellcheck shell=bash
# For the jobs of jobs.list: boot_kernel outside the lab; inside it what every kernel must show.

# boot_kernel CPU KERNEL [LAB-OPTION...] SCRIPT ARG...: run SCRIPT in the lab, on that CPU and kernel. A kernel that the archive does
# not give is a skip, but for 6.1 in all its flavours: those may never be missing.
boot_kernel()
{
	local cpu=$1 kernel=$2 said dir rc=0 image=''
	shift 2

	said=$(lab/kernel "$kernel" 2>&1) || rc=$?
	dir=$(tail -n 1 <<<"$said")
	if [ $rc = 0 ]; then
		# The cloud's kernels have no 9p, by which others see our files.
		grep -q '^CONFIG_NET_9P=' "$dir/config" || image=--image
		exec lab/run --cpu "$cpu" --kernel "$kernel" $image --timeout "$([ "$cpu" = amd ] && echo 600 || echo 1500)" "$@"
	fi
	if [ $rc = 77 ] && [[ $kernel != 6.1* ]]; then
		echo "1..0 # SKIP ${said##*$'\n'}"
		exit 0
	fi
	printf '1..1\nnot ok 1 - kernel %s is there\n# %s\n' "$kernel" "${said##*$'\n'}"
	exit 1
}

[ "${LAB:-}" ] || return 0

. tests/lab/lib.sh
. tests/lab/guests.sh
# shellcheck disable=SC2034 # of tests/lab/lib.sh; two labs may run on a small machine
daemon_patience=120

# status and doctor say what this kernel lets us do.
says_how_it_attaches()
{
	local status how

	how=$(if_typed tp_btf raw_tp)
	tap_check "attached" wait_for 60 attached
	status=$(exitstat status --no-cost --format json)
	tap_is "status names how: $how" "$(jq -r '.features[] | select(.name == "exits" and .on) | .detail' <<<"$status" |
		grep -o 'tp_btf\|raw_tp' | head -n 1)" "$how"
	tap_is "status names the kernel" "$(jq -r .host.kernel <<<"$status")" "$(uname -r)"
	tap_check "doctor: exitstatd can measure here" exitstat doctor
}

# one_mode NESTED: KVM has that mode.
one_mode()
{
	# shellcheck disable=SC2154 # lab/lib.sh sets it
	local mode=$kvm_paging=$1 vm

	every_operation "$1"
	vm=$(jq .pid "/tmp/ops$1.json")
	tap_is "$mode: the paging mode" "$(exitstat snapshot --vm "$vm" --format json | jq -r '.vms[0].paging.mode')" \
		"$([ "$1" = 1 ] && echo $kvm_paging || echo shadow)"
	two_guests "$mode: two guests on one CPU" --pin 0
	concurrent_vms "$mode"
	tap_check "$mode: nothing was lost" nothing_lost
}

# The tables of reasons against the names in the tracepoint of this kernel.
names_are_the_kernels()
{
	local all=''

	[ "$1" != newest ] || all=--all
	# shellcheck disable=SC2086,SC2154 # no word if empty; lab/lib.sh sets it
	tap_check "every reason that Linux $(uname -r) prints has that name in the tables, VMX and SVM" \
		build/matrix/reason_names $ftrace_event/format $all
}
