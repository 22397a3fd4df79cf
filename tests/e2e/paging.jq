# SPDX-License-Identifier: GPL-2.0-only
# A recording for tests of the paging views: $n looks a second apart, whose rates never change. The numbers are made
# up, and round; per second:
#   guest1  npt: 3000 NPF, 500 IOIO; a page fault sets an entry, 100 are device memory
#   guest2  shadow: 4000 INVLPG, 2000 EXCP_PF, 1500 WRITE_CR3, 100 READ_CR3, 400 IOIO; exitstatd --mmu full
#   hyper3  npt, runs guests itself: 2000 VMRUN, 1500 NPF, of which 1400 are its guests'
#   bare4   npt: 300 NPF, 700 IOIO; neither times nor events are measured
# jq -n -c --argjson n 100 --argjson uid 0 -f paging.jq

# ns null: not timed
def reason($code; $name; $class; $count; $ns):
	{ code: $code, name: $name, class: $class, count: $count,
	  time_ns: (if $ns == null then null else $count * $ns end), max_ns: (if $ns == null then null else $ns * 10 end),
	  p50_ns: null, p99_ns: null, hist: null, flags: {} };

def mmu($t; $m):
	def n($v): if $v == null then null else $v * $t end;
	def all($keys; $from): [$keys[] as $k | { ($k): n($from[$k]) }] | add;
	{ faults: all(["tdp", "shadow", "mmio", "fast", "spurious", "fixed", "emulated"]; $m), guest_walks: n($m.walks),
	  shadow_pages: all(["created", "reused", "synced", "unsynced", "zapped"]; $m), sptes: all(["4k", "2m", "1g"]; $m),
	  zap_all: n($m.zap_all), huge_splits: n($m.huge_splits), spte_requests: n($m.spte_requests),
	  tdp_changes: n($m.tdp_changes), fast_attempts: n($m.fast_attempts),
	  nested: all(["faults", "guest_walks", "created", "reused", "synced", "unsynced", "zapped", "4k", "2m", "1g"];
		$m.nested // {}) };

def none: { faults: 0, guest_walks: 0, created: 0, reused: 0, synced: 0, unsynced: 0, zapped: 0, "4k": 0, "2m": 0, "1g": 0 };

def vm($i; $name; $t; $mode; $nested; $m; $cr3; $reasons):
	{ id: "vm-\($i)", name: $name, pid: (4200 + $i), uid: $uid, vcpus: 1, since_ns: 1000000000000, ended_ns: null,
	  state: "running", paging: { mode: $mode, nested: $nested },
	  exits: { total: ($reasons | map(.count) | add), time_ns: ($reasons | map(.time_ns) | add), reasons: $reasons },
	  time: { guest_ns: ($t * 100000000), kernel_ns: null, vmm_ns: null, idle_ns: ($t * 50000000), runqueue_ns: null },
	  mmu: mmu($t; $m),
	  cr: (if $cr3 == null then null
		else { cr0: { read: 0, write: (20 * $t) }, cr3: { read: ($cr3[0] * $t), write: ($cr3[1] * $t) },
		       cr4: { read: 0, write: (2 * $t) }, cr8: { read: 0, write: 0 } } end),
	  per_vcpu: [] };

range($n) as $look
| ($look + 10) as $t
| { schema: "exitstat/1",
    host: { hostname: "kvmhost", kernel: "6.1.0-42-amd64", isa: "svm", tdp: true },
    taken: { realtime_ns: ((1000000 + $look) * 1000000000), monotonic_ns: ((1000 + $t) * 1000000000),
	     interval_ns: null },
    vms: [
	vm(1; "guest1"; $t; "npt"; false;
		{ tdp: 2900, shadow: 0, mmio: 100, fast: 5, spurious: 40, fixed: 2850, emulated: 10, walks: 0, created: 12,
		  reused: 0, synced: 0, unsynced: 0, zapped: 3, "4k": 2500, "2m": 350, "1g": 0, zap_all: 0,
		  huge_splits: 2, nested: none }; [0, 0]; [
		reason(123; "IOIO"; "io"; 500 * $t; 10000),
		reason(1024; "NPF"; "paging"; 3000 * $t; 5000) ]),
	vm(2; "guest2"; $t; "shadow"; false;
		{ tdp: 0, shadow: 1900, mmio: 100, fast: 0, spurious: 400, fixed: 1200, emulated: 300, walks: 2600,
		  created: 150, reused: 900, synced: 800, unsynced: 700, zapped: 140, "4k": 2200, "2m": 0, "1g": 0,
		  zap_all: 0, huge_splits: 0, spte_requests: 2100, tdp_changes: 0, fast_attempts: 0, nested: none };
		[100, 1500]; [
		reason(3; "READ_CR3"; "cr"; 100 * $t; 2000),
		reason(19; "WRITE_CR3"; "cr"; 1500 * $t; 2000),
		reason(78; "EXCP_PF"; "paging"; 2000 * $t; 4000),
		reason(121; "INVLPG"; "paging"; 4000 * $t; 5000),
		reason(123; "IOIO"; "io"; 400 * $t; 10000) ]),
	vm(3; "hyper3"; $t; "npt"; true;
		{ tdp: 100, shadow: 0, mmio: 0, fast: 0, spurious: 10, fixed: 1400, emulated: 80, walks: 30, created: 1,
		  reused: 0, synced: 0, unsynced: 0, zapped: 0, "4k": 90, "2m": 0, "1g": 0, zap_all: 0, huge_splits: 0,
		  nested: { faults: 1400, guest_walks: 1450, created: 60, reused: 20, synced: 7, unsynced: 8, zapped: 50,
			    "4k": 1300, "2m": 9, "1g": 0 } }; [0, 0]; [
		reason(128; "VMRUN"; "nested"; 2000 * $t; 4000),
		reason(1024; "NPF"; "paging"; 1500 * $t; 8000) ]),
	vm(4; "bare4"; $t; "npt"; false; {}; null; [
		reason(123; "IOIO"; "io"; 700 * $t; null),
		reason(1024; "NPF"; "paging"; 300 * $t; null) ])
    ],
    health: { slots_used: 4, slots_max: 1024, dropped: 0, missed: 0, unattributed: 0, unknown_reasons: 0,
	      read_errors: 0 } }
