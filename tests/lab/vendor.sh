# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for who sources this; names of lab/lib.sh
# For scenarios: what differs between AMD and Intel, beside KVM's module and its parameter ($kvm_module and
# $kvm_paging of lab/lib.sh). Exit codes by what causes them; several where the vendor has several.

# WHAT SVM VMX
exit_codes='
CPUID		114	10
HLT		120	12
INVLPG		121	14
IO		123	30
MSR		124	31,32
TIMER		-	52
CR3		3,19	28
SHADOW_FAULT	78	0
NESTED_FAULT	1024	48,49
'
while read -r what svm vmx; do
	[ -z "$what" ] || declare "$what=$([ "$kvm_module" = kvm_intel ] && echo "$vmx" || echo "$svm")"
done <<<"$exit_codes"
[ "$kvm_module" = kvm_intel ] && isa=vmx || isa=svm
