# shellcheck shell=bash
# For scenarios: the MMU's numbers against ftrace, the other witness of the same tracepoints.

mmu_tracing=/sys/kernel/tracing/events

# EVENT KEY: what ftrace counts; the key tells kinds of one event apart.
mmu_witnesses='kvm/kvm_page_fault error_code
kvmmmu/kvm_mmu_pagetable_walk pferr
kvmmmu/kvm_mmu_get_page created
kvmmmu/kvm_mmu_sync_page root_count
kvmmmu/kvm_mmu_unsync_page root_count
kvmmmu/kvm_mmu_prepare_zap_page root_count
kvmmmu/kvm_mmu_set_spte level
kvmmmu/kvm_mmu_zap_all_fast mmu_valid_gen
kvmmmu/kvm_mmu_split_huge_page errno
kvmmmu/kvm_mmu_spte_requested level
kvmmmu/kvm_tdp_mmu_spte_changed level
kvmmmu/fast_page_fault error_code'
mmu_parameters=/sys/module/kvm_intel/parameters

mmu_ftrace_start()
{
	local event key

	# shellcheck disable=SC2046 # a list of events
	ftrace_can_count $mmu_tracing/kvm/kvm_page_fault ||
		{ ftrace_lines_start mmu $(cut -d ' ' -f 1 <<<"$mmu_witnesses") && return; }
	while read -r event key; do
		[ ! -e $mmu_tracing/$event ] || echo "hist:keys=common_pid,$key:size=${mmu_hist_size:-16384}" >$mmu_tracing/$event/trigger ||
			echo "# no ftrace hist on $event"
	done <<<"$mmu_witnesses"
}

# KVM's modules can go only when nobody looks at their events.
mmu_ftrace_stop()
{
	local event key

	ftrace_can_count $mmu_tracing/kvm/kvm_page_fault || { ftrace_lines_stop mmu && return; }
	while read -r event key; do
		[ ! -e $mmu_tracing/$event ] || echo "!hist:keys=common_pid,$key:size=${mmu_hist_size:-16384}" >$mmu_tracing/$event/trigger
	done <<<"$mmu_witnesses"
}

# The histograms, each line after "EVENT KEY".
mmu_ftrace_hists()
{
	local event key

	ftrace_can_count $mmu_tracing/kvm/kvm_page_fault || { mmu_ftrace_lines && return; }
	while read -r event key; do
		[ ! -e $mmu_tracing/$event ] || sed "s|^|${event##*/} $key |" $mmu_tracing/$event/hist
	done <<<"$mmu_witnesses"
}

# The same, a line an event, of what ftrace has in lines.
mmu_ftrace_lines()
{
	ftrace_lines_read mmu | awk '
		function hex(s,   i, n) {
			for (i = 1; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return n + 0
		}
		function after(word,   i) {
			for (i = 3; i < NF; i++)
				if ($i == word)
					return $(i + 1)
		}
		{
			event = substr($2, 1, length($2) - 1)
			value = event == "kvm_page_fault" ? hex(after("error_code")) : \
				event == "kvm_mmu_get_page" ? $NF == "new" : \
				event == "kvm_mmu_set_spte" ? after("level") : 0
			print event, "key", "{ common_pid: " $1 ", key: " value " } hitcount: 1"
		}'
	[ "${PIPESTATUS[0]}" = 0 ] || echo "x x Dropped: 1"
}

# mmu_ftrace [PID...]: "NAME COUNT" of what these threads did (none named: all), as mmu_shown has it.
mmu_ftrace()
{
	local ept=''

	# shellcheck disable=SC2154 # of lab/lib.sh
	# After an EPT violation kvm_page_fault has the exit's qualification for an error code.
	[ "$kvm_module" != kvm_intel ] || ept=$(<"$mmu_parameters/ept")
	mmu_ftrace_hists | awk -v pids=" $* " -v ept="$ept" '
		function names(event, value) {
			if (event == "kvm_page_fault")
				return ept != "Y" && int(value / 8) % 2 ? "mmio" : "fault" # PFERR_RSVD
			if (event == "kvm_exit") # who asks for it has it: an access to device memory is no page fault on VMX
				return ept == "Y" && value == 49 ? "mmio" : "" # EPT_MISCONFIG
			if (event == "kvm_mmu_get_page")
				return value ? "created" : "reused"
			if (event == "kvm_mmu_set_spte")
				return "spte" value
			if (event == "kvm_mmu_split_huge_page" && value)
				return ""
			return name[event]
		}
		BEGIN {
			split("kvm_mmu_pagetable_walk walks kvm_mmu_sync_page synced kvm_mmu_unsync_page unsynced " \
			      "kvm_mmu_prepare_zap_page zapped kvm_mmu_zap_all_fast zap_all kvm_mmu_split_huge_page splits " \
			      "kvm_mmu_spte_requested requests kvm_tdp_mmu_spte_changed changes fast_page_fault fast", w, " ")
			for (i = 1; i in w; i += 2)
				name[w[i]] = w[i + 1]
		}
		$3 == "{" && $4 ~ /^common_pid/ {
			event = $1
			line = $0
			gsub(/[{}:,]/, " ", line)
			n = split(line, f, " ")
			for (i = 3; i < n; i++)
				v[f[i]] = f[i + 1]
			what = names(event, v[$2] + 0)
			if (what != "" && (pids ~ /^ +$/ || index(pids, " " v["common_pid"] " ")))
				sum[what] += v["hitcount"]
		}
		/Dropped:/ && $NF != 0 { print "dropped", $NF }
		END { for (s in sum) print s, sum[s] }' | sort
}

# mmu_ftrace_threads PID...: all threads that ftrace saw, but these.
mmu_ftrace_threads()
{
	mmu_ftrace_hists | awk -v but=" $* " '
		$4 ~ /^common_pid/ {
			gsub(/[{}:,]/, " ")
			if (!(index(but, " " $4 " ") || $4 in seen))
				print $4
			seen[$4]
		}'
}

# mmu_shown VM...: the same from exitstat, of these VMs together; those that are 0 are left out. Nested shadowing and
# the rest are one here, as they are for ftrace.
mmu_shown()
{
	local vm

	for vm in "$@"; do
		exitstat snapshot --vm "$vm" --format json
	done | jq -rs '[.[].vms[].mmu | .nested as $n | {fault: (.faults.tdp + .faults.shadow + $n.faults), mmio: .faults.mmio,
		walks: (.guest_walks + $n.guest_walks), created: (.shadow_pages.created + $n.created),
		reused: (.shadow_pages.reused + $n.reused), synced: (.shadow_pages.synced + $n.synced),
		unsynced: (.shadow_pages.unsynced + $n.unsynced), zapped: (.shadow_pages.zapped + $n.zapped),
		spte1: (.sptes["4k"] + $n["4k"]), spte2: (.sptes["2m"] + $n["2m"]), spte3: (.sptes["1g"] + $n["1g"]),
		zap_all: .zap_all, splits: .huge_splits, requests: .spte_requests, changes: .tdp_changes, fast: .fast_attempts}]
		| map(to_entries[]) | group_by(.key)[] | select((map(.value) | add) > 0) | "\(.[0].key) \(map(.value) | add)"' | sort
}

# sum_of COUNTS: of lines "NAME COUNT".
sum_of() { awk '{ n += $2 } END { print n + 0 }' <<<"$1"; }
mmu_strays() { exitstat status --no-cost --format json | jq .health.unattributed_mmu; }

# mmu_of VM JQ: a number of a VM's mmu.
mmu_of() { exitstat snapshot --vm "$1" --format json | jq ".vms[0].mmu | $2"; }
