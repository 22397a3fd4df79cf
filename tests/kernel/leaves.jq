# What one VM of `tinyguest --leaves --stats` says: one line for each thing that is wrong, nothing if all agrees.
# $nested: 1 or 0, nested paging. $isa: svm or vmx. Between its two marks the guest only reads the leaves, one exit each; interrupts of the host come on top.

def hex: ltrimstr("0x") | explode | reduce .[] as $c (0; . * 16 + (if $c > 96 then $c - 87 else $c - 48 end));
def two($high; $low): $high * 4294967296 + $low;
def name: "exit " + tostring;

# exit_stats, as {CODE: [count, cycles]}
def table: [split("\n")[:-1][] | split(" ") | {key: (.[0] | if . == "other" then . else (hex | tostring) end), value: (.[1:] | map(tonumber))}]
	| from_entries;
def at($code): .[$code | tostring] // [0, 0];
def total($i): [.[][$i]] | add // 0;

# Exit codes: what causes them; timer is the one that runs out on the CPU, not on the host (APM and SDM; 1024 is 0x400, 4294967292 is -4); those that are defined, from and to; those that
# come by themselves: interrupts, and the windows in which one can be delivered.
def vendor: {
	svm: {cpuid: 114, io: 123, hlt: 120, msr: 124, wrmsr: 124, read_cr3: 3, write_cr3: 19, invlpg: 121, fault: 1024,
		shadow_fault: 78, timer: [],
		defined: [[0, 166], [1024, 1027], [1031, 1031], [4294967292, 4294967295]], by_itself: [96, 97, 100]},
	vmx: {cpuid: 10, io: 30, hlt: 12, msr: 31, wrmsr: 32, read_cr3: 28, write_cr3: 28, invlpg: 14, fault: 48,
		shadow_fault: 0, timer: [52],
		defined: [[0, 34], [36, 37], [39, 41], [43, 70], [72, 81], [84, 85]], by_itself: [1, 7]}
	}[$isa];
def defined: . as $code | any(vendor.defined[]; $code >= .[0] and $code <= .[1]);
def comes_by_itself: IN(vendor.by_itself[]);

# What KVM's statistics call those beyond the histogram; all are AMD's.
def scalars: {exit_npf: 1024, exit_avic_incomplete_ipi: 1025, exit_avic_unaccelerated_access: 1026, exit_vmgexit: 1027,
	exit_svm_pml_full: 1031, exit_vmrun_err: 4294967295, exit_vmrun_busy: 4294967294,
	exit_vmrun_idle_required: 4294967293, exit_vmrun_invalid_pmc: 4294967292};

# One leaf's answer: {leaf, code, n, cycles, at: which CPUID after the first mark it was}
def answers: [to_entries[] | .key as $k | .value as [$leaf, $code, $a, $b, $c, $d] |
	{leaf: $leaf, code: $code, at: ($k + 1), n: two($d; $a), cycles: two($b; $c), regs: [$a, $b, $c, $d]}];

def text_is_sound: (.exit_stats, .exit_stats_before) | split("\n")[:-1][] |
	select(test("^(0x[0-9a-f]+|other) [1-9][0-9]* [0-9]+$") | not) | "exit_stats has the line '\(.)'";

# What the guest knows it did.
def known($after; $nested):
	def sum(f): [.vcpus[] | f] | add;
	([[vendor.cpuid, sum(.exits.cpuid)], [vendor.io, sum(.exits.io)], [vendor.hlt, sum(.exits.hlt)], [vendor.msr, sum(.exits.msr)],
	  [vendor.wrmsr, sum(.guest.timer)], (vendor.timer[] as $timer | [$timer, sum(.guest.timer)])] +
	 if $nested == 1 then [[vendor.read_cr3, 0], [vendor.write_cr3, 0], [vendor.invlpg, 0], [vendor.shadow_fault, 0]]
	 else [[vendor.read_cr3, sum(.guest.cr3_read)], [vendor.write_cr3, sum(.guest.cr3_write)], [vendor.invlpg, sum(.guest.invlpg)],
		[vendor.fault, 0]] end | group_by(.[0])[]) |
	.[0][0] as $code | (map(.[1]) | add) as $n | ($after | at($code)[0]) | select(. != $n) | "\($code | name): \(.), the guest did \($n)";
def faults($after; $nested): ([.vcpus[].guest.touch] | add) as $touch |
	($after | at(if $nested == 1 then vendor.fault else vendor.shadow_fault end)[0]) |
	select(. < $touch or . > $touch + 40 * 4) | "\(.) faults for \($touch) pages";

# One answer against exit_stats before and after.
def compare($before; $after):
	.code as $code | ($before | at($code)) as $b | ($after | at($code)) as $a | . as $q |
	if ($code | defined | not) then select(.regs != [0, 0, 0, 4294967295])
	elif .leaf == 1342177278 and .cycles != 0 then .
	elif $code == vendor.cpuid then
		select(.n != $b[0] + .at or (.leaf != 1342177278 and (.cycles < $b[1] or .cycles > $a[1])))
	elif ($code | comes_by_itself) then
		select(.n < $b[0] or .n > $a[0] or (.leaf != 1342177278 and (.cycles < $b[1] or .cycles > $a[1])))
	else select(.n != $b[0] or $a[0] != $b[0] + (if $code == vendor.io then 1 else 0 end) or
		(.leaf != 1342177278 and .cycles != $b[1]) or ($code != vendor.io and $a[1] != $b[1]))
	end | "leaf \(.leaf) \($code | name): \(.regs); before \($b), after \($a)";

# The sum: each read counted itself, and one more write ended it all. Interrupts come between.
def sums($q; $before; $after):
	([$after, $before | [to_entries[] | select(.key | tonumber? // 0 | comes_by_itself) | .value[0]] | add // 0] | .[0] - .[1]) as $more |
	($q[0].n - ($before | total(0)) - 1 | select(. < 0 or . > $more) | "first sum: off by \(.)"),
	(($after | total(0)) - 1 - $q[-1].n | select(. < 0 or . > $more) | "last sum: off by \(.)"),
	(($after | at(vendor.cpuid)[0]) - ($before | at(vendor.cpuid)[0]) | select(. != ($q | length)) | "\(.) CPUID exits for \($q | length) reads"),
	($q[0, -1] | select(.cycles < ($before | total(1)) or .cycles > ($after | total(1))) | "sum of cycles: \(.cycles)");

def cycles_are_possible($after): ($after | total(1)) as $sum | select($sum <= 0 or $sum > .tsc * (.vcpus | length)) |
	"\($sum) cycles of exits in \(.tsc) cycles of the VM";

def hammered: .vcpus[] | select(.ff.bad != 0) | "vCPU \(.id): \(.ff.bad) of \(.guest.ff) sums did not grow";

# Binary statistics, summed over the vCPUs. Type 3 is a linear histogram, 0 a counter.
def statistics($after):
	(.vcpus[].stats | (.exit_counts | select(.type != 3 or .bucket != 1 or (.values | length) != 192) | "exit_counts: type \(.type)"),
		(to_entries[] | select(.key != "exit_counts" and (.value.type != 0 or (.value.values | length) != 1)) | "\(.key) is no counter"),
		((keys - ["exit_counts"] - (scalars | keys))[] | "\(.): not in the list")),
	([.vcpus[].stats.exit_counts.values] | transpose | map(add)) as $h |
	(range(191) as $c | select($h[$c] != ($after | at($c)[0])) | "exit_counts[\($c)] is \($h[$c]), exit_stats has \($after | at($c))"),
	(select($h[191] != ($after.other // [0])[0]) | "exit_counts[191] is \($h[191])"),
	(. as $vm | scalars | to_entries[] | .value as $code | .key as $key | ([$vm.vcpus[].stats[$key].values[0]] | add) |
		select(. != ($after | at($code)[0])) | "\($key) is \(.)");

(.exit_stats | table) as $after | (.exit_stats_before | table) as $before | (.leaves | answers) as $q |
text_is_sound, known($after; $nested), faults($after; $nested), ($q[1:-1][] | compare($before; $after)),
($q | select(length != 1 + 3 * (256 + 14 + 1 + 2 + 16) + 1) | "\(length) answers"),
sums($q; $before; $after), cycles_are_possible($after), hammered, statistics($after)
