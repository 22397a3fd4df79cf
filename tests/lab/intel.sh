# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317 # for who sources this; names of lab/lib.sh and mmu.sh
# For tests on the Intel lab, where a jq takes seconds: what is needed inside it without one, and how what was saved there
# ($LAB_OUT) is judged outside.

ftrace_hist_size=4096 mmu_hist_size=1024 daemon_patience=300

# --- inside the lab ---

all_ended_here()
{
	exitstat list --format json >/tmp/list.json && grep -q '"ended"' /tmp/list.json && ! grep -qE '"(running|paused)"' /tmp/list.json
}

# witness FOLDER: what ftrace counted, as it lies in tracefs.
witness()
{
	local event

	mkdir -p "$1"
	cp /sys/module/kvm_intel/parameters/ept "$1/"
	while read -r event _; do
		[ -e "$mmu_tracing/$event" ] || continue
		mkdir -p "$1/$event"
		cat "$mmu_tracing/$event/hist" >"$1/$event/hist"
	done <<<"$mmu_witnesses"$'\nkvm/kvm_exit'
}

attached_here() { exitstat status --no-cost --format json | grep -q '"attach": "attached"'; }

# save FOLDER: all that is to be judged.
save()
{
	witness "$1"
	exitstat snapshot --per-vcpu --format json >"$1/snapshot.json"
	exitstat status --no-cost --format json >"$1/status.json"
}

# --- outside ---

# The tests' own functions ask exitstat and tracefs: both are what was saved in folder $1.
use_saved()
{
	saved=$1
	mmu_tracing=$saved mmu_parameters=$saved ftrace_event=$saved/kvm/kvm_exit

	exitstat()
	{
		case $1 in
		snapshot) jq --argjson vm "$3" '.vms |= map(select(.pid == $vm))' "$saved/snapshot.json" ;;
		status) cat "$saved/status.json" ;;
		esac
	}
}

# run_inside COMMAND...: boots the lab; the TAP of the lab's part, without its plan, which goes on here.
run_inside()
{
	"$@" | tee "$out/tap" | grep --line-buffered -v '^1\.\.'
	tap_n=$(grep -cE '^(not )?ok ' "$out/tap")
	tap_failed=$(grep -c '^not ok ' "$out/tap")
	tap_check "the lab ran to its end" grep -q '^1\.\.' "$out/tap"
}

# Where the results go: $INTEL_OUT, or a folder for this run.
out=${INTEL_OUT:-}
if [ -z "${LAB:-}" ] && [ -z "$out" ]; then
	out=$(mktemp -d) || exit 1
	trap 'rm -rf "$out"' EXIT
fi
[ "${LAB:-}" ] || mkdir -p "$out"
