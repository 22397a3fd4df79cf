# SPDX-License-Identifier: GPL-2.0-only
# A recording for tests of the time and latency views: $n looks a second apart, whose rates never change. The numbers
# are made up, and round; of each vCPU's second, in ms:
#   busy1   2 vCPUs: 700 guest, 200 kernel, 50 VMM, 10 waiting, 40 idle; 500, 100, 100, 50, 250
#   vmm2    100 guest, 100 kernel, 750 VMM, 0 waiting, 50 idle
#   hog3    300 guest, 50 kernel, 25 VMM, 600 waiting, 25 idle
#   idle4   1 guest, 1 kernel, 0 VMM, 0 waiting, 998 idle
#   old5    600 guest, 300 in exits that are not told apart, 100 idle: as older versions recorded it
#   nowait6 800 guest, 100 kernel, 50 VMM, 50 idle; waiting is not measured
# Exit time, and the histograms, are those of the reasons. $times false: nothing but counts, as with --no-latency.
# jq -n -c --argjson n 100 --argjson uid 0 [--argjson times false] -f times.jq

($ARGS.named.times != false) as $times

# A second has the exits of $spread: [[bucket, exits], …]; a bucket's exits all take 1.5 times its start.
| def mean_ns($bucket): (pow(2; $bucket + 5) * 1.5 | floor);
def reason($code; $name; $class; $t; $spread):
	($spread | map(.[1]) | add) as $count
	| { code: $code, name: $name, class: $class, count: ($count * $t),
	    time_ns: (if $times then ($spread | map(mean_ns(.[0]) * .[1]) | add) * $t else null end),
	    max_ns: (if $times then mean_ns($spread | map(.[0]) | max) else null end), p50_ns: null, p99_ns: null,
	    hist: (if $times then [range(32) as $b | ([$spread[] | select(.[0] == $b) | .[1]] | add // 0) * $t] else null end),
	    flags: {} };

def exits($reasons):
	{ total: ($reasons | map(.count) | add // 0), time_ns: ($reasons | map(.time_ns) | add), reasons: $reasons };

# ms of each second: guest, kernel, vmm, idle, waiting
def time($t; $ms):
	def n($v): if $v == null or ($times | not) then null else $v * 1000000 * $t end;
	{ guest_ns: n($ms[0]), kernel_ns: n($ms[1]), vmm_ns: n($ms[2]), idle_ns: n($ms[3]), runqueue_ns: n($ms[4]),
	  total_ns: (if $ms[1] == null then null else n($ms | map(. // 0) | add) end) };

def vm($i; $name; $t; $per_vcpu; $reasons):
	($per_vcpu | if length == 1 then .[0] else transpose | map(add) end) as $ms
	| { id: "vm-\($i)", name: $name, pid: (4200 + $i), uid: $uid, vcpus: ($per_vcpu | length), since_ns: 1000000000000,
	    ended_ns: null, state: "running", paging: { mode: "npt", nested: false }, exits: exits($reasons),
	    time: time($t; $ms),
	    per_vcpu: [ range($per_vcpu | length) as $v
		| { vcpu_id: $v, exits: exits(if $v == 0 then $reasons else [] end), time: time($t; $per_vcpu[$v]) } ] };

range($n) as $look
| ($look + 10) as $t
| { schema: "exitstat/1",
    host: { hostname: "kvmhost", kernel: "6.1.0-42-amd64", isa: "svm", tdp: true },
    taken: { realtime_ns: ((1000000 + $look) * 1000000000), monotonic_ns: ((1000 + $t) * 1000000000),
	     interval_ns: null },
    vms: [
	vm(1; "busy1"; $t; [[700, 200, 50, 40, 10], [500, 100, 100, 250, 50]]; [
		reason(114; "CPUID"; "instruction"; $t; [[5, 900], [6, 100]]),
		reason(120; "HLT"; "halt"; $t; [[5, 40]]),
		reason(123; "IOIO"; "io"; $t; [[8, 600], [9, 300], [12, 95], [16, 4], [20, 1]]),
		reason(1024; "NPF"; "paging"; $t; [[6, 3000], [7, 1500], [8, 400], [10, 99], [14, 1]]) ]),
	vm(2; "vmm2"; $t; [[100, 100, 750, 50, 0]]; [ reason(123; "IOIO"; "io"; $t; [[12, 2000], [14, 100]]) ]),
	vm(3; "hog3"; $t; [[300, 50, 25, 25, 600]]; [ reason(96; "INTR"; "interrupt"; $t; [[6, 900], [18, 100]]) ]),
	vm(4; "idle4"; $t; [[1, 1, 0, 998, 0]]; [ reason(120; "HLT"; "halt"; $t; [[7, 20]]) ]),
	vm(5; "old5"; $t; [[600, null, null, 100, null]]; [ reason(1024; "NPF"; "paging"; $t; [[8, 24414]]) ]),
	vm(6; "nowait6"; $t; [[800, 100, 50, 50, null]]; [ reason(124; "MSR"; "msr"; $t; [[6, 5000]]) ])
    ],
    health: { slots_used: 7, slots_max: 1024, dropped: 0, missed: 0, unattributed: 0, unknown_reasons: 0,
	      read_errors: 0 } }
