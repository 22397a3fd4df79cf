# SPDX-License-Identifier: GPL-2.0-only
# A recording of a guest that boots, for pages to be made of: "boot" or "reboot", with "npt" or "shadow" paging.
# A few reasons' counts and mean times are those of the lab; how they spread over time is made up, and always the same.
# jq -n -r --arg what boot --arg mode npt [--argjson latency true] [--arg vm guest1] -f run.jq

def reasons($mode): # code, name, class, exits of a boot, mean ns, phase
	if $mode == "npt" then [
		[123, "IOIO", "io", 2995, 258000, 0.2], [96, "INTR", "interrupt", 2172, 244000, 0.9],
		[1024, "NPF", "paging", 1462, 260000, 0.1], [124, "MSR", "msr", 1452, 142000, 0.6],
		[114, "CPUID", "instruction", 1118, 47600, 0.3], [100, "VINTR", "interrupt", 443, 48100, 0.8],
		[20, "WRITE_CR4", "cr", 60, 82200, 0.4], [101, "CR0_SEL_WRITE", "cr", 33, 205000, 0.5],
		[4, "READ_CR4", "cr", 9, 108000, 0.4], [137, "WBINVD", "instruction", 6, 172000, 0.5],
		[120, "HLT", "halt", 4, 549000, 1], [0, "READ_CR0", "cr", 3, 1630000, 0.1],
		[16, "WRITE_CR0", "cr", 3, 396000, 0.1], [1791, null, "other", 2, 3020000, 0.2] ]
	else [
		[121, "INVLPG", "paging", 40409, 98700, 0.7], [19, "WRITE_CR3", "cr", 16959, 105000, 0.8],
		[78, "EXCP_PF", "paging", 13784, 120000, 0.3], [123, "IOIO", "io", 3010, 211000, 0.2],
		[96, "INTR", "interrupt", 2685, 220000, 0.9], [124, "MSR", "msr", 2468, 142000, 0.6],
		[100, "VINTR", "interrupt", 1512, 42900, 0.8], [114, "CPUID", "instruction", 1118, 44200, 0.3],
		[20, "WRITE_CR4", "cr", 60, 227000, 0.4], [0, "READ_CR0", "cr", 43, 62300, 0.1],
		[16, "WRITE_CR0", "cr", 34, 107000, 0.1], [3, "READ_CR3", "cr", 20, 74400, 0.6],
		[4, "READ_CR4", "cr", 9, 90000, 0.4], [137, "WBINVD", "instruction", 6, 49600, 0.5],
		[120, "HLT", "halt", 4, 213000, 1], [101, "CR0_SEL_WRITE", "cr", 2, 333000, 0.5] ] end;

# The part of a phase's exits that happened in the first $x (0 to 1) of the run: steep around the phase, from 0 to 1.
def part($x; $phase):
	def s($v): 1 / (1 + ((0 - 9) * ($v - $phase) | exp));
	if $x >= 1 then 1 else (s($x) - s(0)) / (s(1) - s(0)) * 0.7 + $x * 0.3 end;

# $count samples around $mean: most below, few far above.
def spread($count; $mean):
	(($mean | log2 | floor) - 5) as $b
	| [ [$b, 0.3], [$b + 1, 0.13], [$b + 3, 0.02], [$b + 5, 0.004] ] | map(.[1] = (.[1] * $count | floor)) as $tail
	| ($count - ($tail | map(.[1]) | add)) as $rest
	| [ range(32) | . as $i | if $i == $b - 1 then $rest else ($tail | map(select(.[0] == $i) | .[1]) | add // 0) end ];

def counts($x; $scale; $mode; $latency):
	reasons($mode) | map(. as [$code, $name, $class, $n, $mean, $phase]
		| ($n * $scale * part($x; $phase) | floor) as $count
		| select($count > 0)
		| { code: $code, name: ($name // "0x6ff"), class: $class, count: $count,
		    time_ns: (if $latency then $count * $mean else null end), max_ns: (if $latency then $mean * 64 else null end),
		    p50_ns: null, p99_ns: null, hist: (if $latency then spread($count; $mean) else null end), flags: {} });

def mmu($mode; $r): # $r: counts by name
	($r.NPF // 0) as $npf | ($r.EXCP_PF // 0) as $pf
	| { faults: { tdp: $npf, shadow: $pf, mmio: ($npf / 8 | floor), fast: 0, spurious: ($pf / 90 | floor),
		      fixed: ($npf + $pf - ($npf / 8 | floor)), emulated: ($npf / 8 | floor) },
	    guest_walks: ($pf * 3), shadow_pages: { created: ($pf / 9 | floor), reused: ($pf / 3 | floor),
		synced: (($r.WRITE_CR3 // 0) / 4 | floor), unsynced: (($r.INVLPG // 0) / 7 | floor), zapped: ($pf / 10 | floor) },
	    sptes: { "4k": ($npf + 2 * $pf), "2m": ($npf / 40 | floor), "1g": 0 }, zap_all: 1, huge_splits: 0,
	    spte_requests: null, tdp_changes: null, fast_attempts: null, nested: null };

def of($ns; $part): if $ns == null then null else $ns * $part | floor end;

def cr($r):
	{ cr0: { read: ($r.READ_CR0 // 0), write: (($r.WRITE_CR0 // 0) + ($r.CR0_SEL_WRITE // 0)) },
	  cr3: { read: ($r.READ_CR3 // 0), write: ($r.WRITE_CR3 // 0) },
	  cr4: { read: ($r.READ_CR4 // 0), write: ($r.WRITE_CR4 // 0) }, cr8: { read: 0, write: 0 } };

(if $mode == "npt" then 7.4 else 19.4 end) as $seconds
| (if $what == "reboot" then 1.12 else 1 end) as $scale
| ($ARGS.named.latency != false) as $latency
| ($ARGS.named.vm // "guest1") as $name
| ($ARGS.named.begin // 1790000000) as $begin
| ($seconds * 2 | ceil) as $looks
| range($looks + 1) as $look
| ([$look / 2, $seconds] | min) as $t
| counts($t / $seconds; $scale; $mode; $latency) as $reasons
| ($reasons | map({ (.name): .count }) | add // {}) as $r
| (if $latency then ($reasons | map(.time_ns) | add // 0) else null end) as $out
| { schema: "exitstat/1",
    host: { hostname: "exitstat-lab", kernel: "6.1.0-42-amd64", isa: "svm", tdp: ($mode == "npt") },
    taken: { realtime_ns: "@\($begin * 1000 + $look * 500)", monotonic_ns: ((60 + $look / 2) * 1000000000 | floor), interval_ns: null },
    vms: [ select($look > 0) | { id: "vm-1", name: $name, pid: 175, vcpus: 1, since_ns: 60100000000,
	ended_ns: (if $look == $looks then ((60 + $seconds) * 1000000000 | floor) else null end),
	state: (if $look == $looks then "ended" else "running" end), paging: { mode: $mode, nested: false },
	exits: { total: ($reasons | map(.count) | add // 0), time_ns: $out, reasons: $reasons },
	time: ({ guest_ns: ($t * 1000000000 * 0.6 | floor), kernel_ns: of($out; 0.6), vmm_ns: of($out; 0.3),
		idle_ns: ($t * 1000000000 * 0.02 | floor), runqueue_ns: of($out; 0.1), total_ns: null }
		| .total_ns = (if $out == null then null else (del(.total_ns) | add) end)),
	mmu: mmu($mode; $r), cr: cr($r), per_vcpu: [] } ],
    health: { slots_used: 1, slots_max: 1024, dropped: 0, missed: 0, unattributed: 0, unknown_reasons: 2, read_errors: 0 } }
# jq 1.6 would print a date in ns as 1.79e+18.
| tojson | sub("\"@(?<ms>[0-9]+)\""; "\(.ms)000000")
