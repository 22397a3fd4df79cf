# The document of cost.jq as text, at most 112 columns but for the versions.
def pad($n): tostring | . + " " * ([$n - length, 0] | max);
def lpad($n): tostring | " " * ([$n - length, 0] | max) + .;
def commas: tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");
def number: round | commas;
def short: if length > 60 then .[:59] + "…" else . end;
def added: if . == null then "-" else "+" + number end;

# 100 % only if nothing is missing.
def saw: if . == null then "-" elif .exits >= .at_least then "all" else "\(100 * .exits / .at_least | floor)%" end;
def versions: [to_entries[] | select(.key != "date" and .value != null) | "\(.key) \(.value)"] | join(", ");

def tools($doc): [$doc.loops[].id] as $ids | $doc.tools[] |
	(.name | pad(42)) + if .failed then "  failed: \(.failed | short)"
		else . as $t | ([$ids[] as $i | $t.added[$i] | added | lpad(10)] | join("")) + (.saw | saw | lpad(6)) end;

. as $doc |
"Instructions added to one exit and entry, \(.taken.date)",
"\(.taken | versions)",
"",
("" | pad(42)) + ("CPUID" | lpad(10)) + ("FRESH" | lpad(10)) + ("PORT" | lpad(10)) + ("FRESH PG" | lpad(10)) + ("PTE CHG" | lpad(10)),
("TOOL" | pad(42)) + ("" | lpad(10)) + ("PAGE" | lpad(10)) + ("WRITE" | lpad(10)) + ("(SHADOW)" | lpad(10)) + ("(SHADOW)" | lpad(10)) + ("SAW" | lpad(6)),
("nothing attached: the exit itself" | pad(42)) + ([.loops[].instructions | number | lpad(10)] | join("")),
tools($doc),
"",
"WHAT A BPF PROGRAM DOES" + (" " * 57) + "INSTRUCTIONS",
(.operations[] | (.what | pad(80)) + (.instructions | tostring | if contains(".") then . else . + ".0" end | lpad(12))),
"",
(if (.programs | length) > 0 then
	("PROGRAM, IN EXITSTATD" | pad(40)) + ([$doc.loops[].id | lpad(14)] | join("")),
	(.programs | group_by([.tool, .program])[] | . as $p | "\($p[0].tool): \($p[0].program)" | pad(40) +
		([$doc.loops[].id as $l | ($p[] | select(.loop == $l) | "\(.instructions) × \(.runs)") // "-" | lpad(14)] | join("")))
else empty end)
