# shellcheck shell=bash
# For scenarios: exits of a guest's guest (L2), and those of them that went on to the guest's own KVM (L1), by ftrace.

l2_ftrace_start() { ftrace_lines_start l2 kvm/kvm_nested_vmexit kvm/kvm_nested_vmexit_inject kvm/kvm_entry; }

# Keeps what there is.
l2_ftrace_stop()
{
	ftrace_lines_read l2 >/tmp/l2.lines
	ftrace_lines_stop l2
}

# "l2 CODE", "injected CODE" or "entry", of L1's one vCPU and so in one order. Codes by the names that tracefs gives them.
l2_events()
{
	awk '
		FNR == NR {
			if (/^ES_REASON/ && split($0, name, "\"") > 3 && split(name[1], f, /[(,]/))
				code[name[2]] = f[2]
			next
		}
		$2 == "kvm_nested_vmexit:" && !thread { thread = $1 }
		$1 != thread { next }
		$2 == "kvm_nested_vmexit:" { sub(/.* reason /, ""); sub(/ rip .*/, ""); print "l2", code[$0] }
		$2 == "kvm_nested_vmexit_inject:" { sub(/.* reason: /, ""); sub(/ ext_inf1.*/, ""); print "injected", code[$0] }
		$2 == "kvm_entry:" { print "entry" }
	' include/exitstat/reasons_svm.def /tmp/l2.lines
}

# "CODE L2 REFLECTED": an exit of L2 went on to L1 if L1 is given one of that code before the next entry.
l2_ftrace()
{
	l2_events | awk '
		$1 == "l2" { last = $2; n[last]++ }
		$1 == "injected" && $2 == last { on[last]++ }
		$1 != "l2" { last = "" }
		END { for (c in n) print c, n[c], on[c] + 0 }' | while read -r code n; do echo "$((code)) $n"; done | sort -n
}

# How many exits L1 was given.
l2_ftrace_ends() { grep -c ' kvm_nested_vmexit_inject: ' /tmp/l2.lines; }

# l2_shown VM: as l2_ftrace, from exitstat.
l2_shown()
{
	exitstat snapshot --vm "$1" --format json |
		jq -r '.vms[0].exits.reasons[] | select(.flags | has("l2")) | "\(.code) \(.flags.l2) \(.flags.l2_reflected // 0)"' | sort -n
}
