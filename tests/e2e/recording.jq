# SPDX-License-Identifier: GPL-2.0-only
# A recording for tests of the client: $n looks a second apart, whose rates never change, so that
# what is shown does not depend on when it is looked at.
#   guest1  4 vCPUs, npt: a second has 900 IOIO, 600 NPF, 140 CPUID
#   guest2  2 vCPUs, shadow: 4000 INVLPG, 2100 EXCP_PF, 1700 WRITE_CR3; ends at look $ends
#   idle3   paused: nothing
#   one with a name that would control the terminal, one with a wide name; and $more others; all owned by $uid
# jq -n -c --argjson n 100 --argjson ends 1000 --argjson more 0 --argjson uid 0 -f recording.jq

def hist($count; $bucket): [range(32) | if . == $bucket then $count else 0 end];

def reason($code; $name; $class; $count; $ns; $bucket):
	{ code: $code, name: $name, class: $class, count: $count, time_ns: ($count * $ns), max_ns: ($ns * 10),
	  p50_ns: null, p99_ns: null, hist: hist($count; $bucket), flags: {} };

def vm($i; $name; $vcpus; $mode; $state; $ended; $lived; $reasons):
	($reasons | map(.time_ns) | add // 0) as $outside
	| { id: "vm-\($i)", name: $name, pid: (4200 + $i), uid: $uid, vcpus: $vcpus, since_ns: 1000000000000, ended_ns: $ended,
	    state: $state, paging: { mode: $mode, nested: false },
	    exits: { total: ($reasons | map(.count) | add // 0), time_ns: $outside, reasons: $reasons },
	    time: { guest_ns: ($lived * 100000000), kernel_ns: null, vmm_ns: null, idle_ns: ($lived * 50000000),
		    runqueue_ns: null },
	    per_vcpu: [] };

range($n) as $look
| ($look + 10) as $t
| (if $look >= $ends then $ends + 10 else $t end) as $t2
| { schema: "exitstat/1",
    host: { hostname: "kvmhost", kernel: "6.1.0-42-amd64", isa: "svm", tdp: true },
    taken: { realtime_ns: ((1000000 + $look) * 1000000000), monotonic_ns: ((1000 + $t) * 1000000000),
	     interval_ns: null },
    vms: ([
	vm(1; "guest1"; 4; "npt"; "running"; null; $t; [
		reason(114; "CPUID"; "instruction"; 140 * $t; 1100; 5),
		reason(123; "IOIO"; "io"; 900 * $t; 14000; 8),
		reason(1024; "NPF"; "paging"; 600 * $t; 3800; 6) ]),
	vm(2; "guest2"; 2; "shadow"; if $look >= $ends then "ended" else "running" end;
		if $look >= $ends then (1000 + $t2) * 1000000000 else null end; $t2; [
		reason(19; "WRITE_CR3"; "cr"; 1700 * $t2; 2100; 6),
		reason(78; "EXCP_PF"; "paging"; 2100 * $t2; 5200; 7),
		reason(121; "INVLPG"; "paging"; 4000 * $t2; 2900; 6) ]),
	vm(3; "idle3"; 1; "npt"; "paused"; null; 5; [ reason(120; "HLT"; "halt"; 50; 900; 4) ]),
	vm(4; "db\u001b[31m\u202e9"; 1; "npt"; "running"; null; $t; [ reason(124; "MSR"; "msr"; 5 * $t; 1300; 5) ]),
	vm(5; "数据库服务器一个很长很长的名字"; 1; "npt"; "running"; null; $t; [
		reason(124; "MSR"; "msr"; 3 * $t; 1300; 5) ])
      ] + [ range($more) | vm(. + 100; "more-\(.)"; 1; "npt"; "running"; null; $t; [
		reason(124; "MSR"; "msr"; 1 * $t; 1300; 5) ]) ]),
    health: { slots_used: 9, slots_max: 1024, dropped: 0, missed: 0, unattributed: 0, unknown_reasons: 0,
	      read_errors: 0 } }
