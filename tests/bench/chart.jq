# The document of cost.jq as an SVG: a bar for each tool and loop of nested paging. Legible on light and dark ground.
def xml: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
def commas: tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",");
def short: if length > 62 then .[:60] + "…" else . end;

{ left: 300, width: 900, bar: 9, row: 42, top: 64 } as $g |
{ cpuid: "a CPUID instruction", touch: "a fresh page", io: "a port write" } as $names |
($names | keys_unsorted) as $ids |
. as $doc |
([.tools[].added[]?] | max) as $most |
(($g.width - $g.left - 70) / $most) as $scale |
(.tools | length * $g.row + $g.top + 16) as $height |

"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \($g.width) \($height)\" role=\"img\">",
"<title>Instructions added to one exit and entry, Linux \(.taken.kernel)</title>",
"<style>text { font: 13px sans-serif; fill: #24292f } .small { font-size: 10px; fill: #57606a } .head { font-weight: bold }",
".cpuid { fill: #0969da } .touch { fill: #8250df } .io { fill: #bf6a02 } line { stroke: #8c959f; stroke-width: 1 }",
"@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #9ea7b3 }",
".cpuid { fill: #58a6ff } .touch { fill: #bc8cff } .io { fill: #e3a03b } }</style>",
"<text class=\"head\" x=\"8\" y=\"20\">Instructions added to one exit and entry, Linux \(.taken.kernel | xml)</text>",
($ids | to_entries[] | (.key * 170 + $g.left) as $x |
	"<rect class=\"\(.value)\" x=\"\($x)\" y=\"34\" width=\"12\" height=\"12\"/><text x=\"\($x + 18)\" y=\"45\">\($names[.value])</text>"),
"<line x1=\"\($g.left)\" y1=\"\($g.top - 6)\" x2=\"\($g.left)\" y2=\"\($height - 12)\"/>",
(.tools | to_entries[] | .value as $t | (.key * $g.row + $g.top) as $y |
	"<text x=\"\($g.left - 8)\" y=\"\($y + 18)\" text-anchor=\"end\">\($t.name | xml)</text>",
	if $t.failed then "<text class=\"small\" x=\"\($g.left + 6)\" y=\"\($y + 18)\">failed: \($t.failed | short | xml)</text>"
	else ($ids | to_entries[] | .value as $id | (.key * ($g.bar + 2) + $y) as $top | $t.added[$id] | select(. != null) |
		([. * $scale, 0] | max | round) as $length |
		"<rect class=\"\($id)\" x=\"\($g.left)\" y=\"\($top)\" width=\"\($length)\" height=\"\($g.bar)\"/>",
		"<text class=\"small\" x=\"\($g.left + $length + 5)\" y=\"\($top + 8)\">+\(round | commas)</text>")
	end),
"</svg>"
