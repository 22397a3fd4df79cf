// SPDX-License-Identifier: GPL-2.0-only
// Opens pages of `exitstat report` in a headless Chromium, offline, and holds what is drawn against the data. Prints TAP.
//
// check.mjs DIR: DIR has NAME.html; for some NAME.1.json, NAME.2.json …: what `exitstat compare` says of the first run and
// that one; NAME.last.json: the last snapshot of the only run. Screenshots go to DIR/NAME-HOW.png, the printed page to NAME.pdf.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const dir = path.resolve(process.argv[2]);
const { chromium } = createRequire(path.join(process.env.NODE_MODULES_OF, "x.js"))("playwright-core");
const pages = fs.readdirSync(dir).filter((f) => f.endsWith(".html")).map((f) => f.slice(0, -5)).sort();
const views = [
	{ how: "light", width: 1280, colorScheme: "light" },
	{ how: "dark", width: 1280, colorScheme: "dark" },
	{ how: "phone", width: 360, colorScheme: "light" },
	{ how: "phone-dark", width: 360, colorScheme: "dark" },
	{ how: "tablet", width: 768, colorScheme: "light" },
	// The text area of an A4 page in landscape, at 96 dpi.
	{ how: "print", width: 1009, colorScheme: "dark", media: "print" },
];

// The page that the experiment makes is seen in all ways.
const some = ["light", "phone", "print"];
const seen = { four: views.map((v) => v.how), two: ["phone-dark", "print"], hostile: ["phone"], several: ["dark", "phone"] };

let count = 0;
let failed = 0;
async function test(name, run) {
	count++;
	try {
		await run();
		console.log(`ok ${count} - ${name}`);
	} catch (error) {
		failed++;
		console.log(`not ok ${count} - ${name}`);
		console.log(String(error?.stack ?? error).replace(/^/gm, "# "));
	}
}

// --- in the page: functions that are sent to the browser ---

// What lies outside of the window, other than what its own box scrolls or clips.
function overflowing() {
	const inBox = (e) => {
		for (; e; e = e.parentElement) if (e.matches(".scroll, svg svg")) return true;
		return false;
	};
	const width = document.documentElement.clientWidth;
	return [...document.body.querySelectorAll("*")]
		.filter((e) => !inBox(e))
		.map((e) => [e, e.getBoundingClientRect()])
		.filter(([, r]) => r.width > 0 && (r.left < -0.5 || r.right > width + 0.5))
		.map(([e, r]) => `<${e.tagName} class="${e.getAttribute("class")}"> ${r.left} to ${r.right}: ${e.textContent.slice(0, 40)}`);
}

// Tables that are wider than the box they scroll in.
function scrolling() {
	return [...document.querySelectorAll(".scroll")]
		.filter((e) => e.scrollWidth > e.clientWidth + 1)
		.map((e) => `${e.getAttribute("aria-label")}: ${e.scrollWidth} in ${e.clientWidth}`);
}

function bars() {
	return [...document.querySelectorAll("table.bars")].map((table) =>
		[...table.querySelectorAll("rect.fill")].map((rect) => {
			const cell = rect.closest("tr").querySelector("td.num");
			return {
				value: rect.dataset.value === undefined ? null : Number(rect.dataset.value),
				width: rect.getBoundingClientRect().width,
				whole: rect.closest("svg").getBoundingClientRect().width,
				text: cell.textContent,
			};
		}));
}

// The bars of where the time went, piece by piece, and the numbers below them.
function spent() {
	const part = [...document.querySelectorAll("table.spent svg")].map((svg) => ({
		whole: svg.getBoundingClientRect(),
		title: svg.querySelector("title").textContent,
		pieces: [...svg.querySelectorAll("rect")].map((rect) => ({
			...rect.dataset,
			left: rect.getBoundingClientRect().left,
			width: rect.getBoundingClientRect().width,
			fill: getComputedStyle(rect).fill,
		})),
	}));
	const cells = [...document.querySelectorAll("table.parts td[data-side]")].map((td) => ({
		vm: td.closest("[data-vm]").dataset.vm,
		part: td.parentElement.dataset.part,
		data: { ...td.dataset },
		text: td.textContent,
	}));
	return { bars: part, cells };
}

// Labels of one axis that touch each other, or leave the window.
function crowded() {
	const bad = [];
	for (const svg of document.querySelectorAll("svg")) {
		for (const kind of ["x", "y"]) {
			let before = null;
			for (const text of svg.querySelectorAll(`:scope > text.${kind}`)) {
				const r = text.getBoundingClientRect();
				if (r.left < 0 || (!svg.closest(".scroll") && r.right > document.documentElement.clientWidth))
					bad.push(`${text.textContent} is cut`);
				if (before && !(r.left > before.right + 3 || r.bottom < before.top + 3))
					bad.push(`${text.textContent} touches its neighbour`);
				before = r;
			}
		}
	}
	return bad;
}

// The least contrast of a text with the page, and of a run's colour; WCAG's formula.
function contrasts() {
	const parse = (s) => s.match(/[\d.]+/g).map(Number);
	const light = ([r, g, b]) => {
		const f = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
	};
	const ratio = (a, b) => {
		const [x, y] = [light(parse(a)), light(parse(b))].sort((p, q) => q - p);
		return (x + 0.05) / (y + 0.05);
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if (parse(c)[3] !== 0) return c;
		}
		return "rgb(255, 255, 255)";
	};
	const least = { text: [99, ""], run: [99, ""] };
	const note = (kind, e, colour) => {
		const r = ratio(colour, behind(e));
		if (r < least[kind][0]) least[kind] = [r, `${e.tagName}.${e.getAttribute("class")}: ${e.textContent.slice(0, 30)}`];
	};
	for (const e of document.body.querySelectorAll("*")) {
		const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
		if (!own || /^(title|desc|style)$/i.test(e.tagName)) continue;
		note("text", e, e.namespaceURI.endsWith("svg") ? getComputedStyle(e).fill : getComputedStyle(e).color);
	}
	for (const e of document.querySelectorAll(".swatch")) {
		const r = ratio(getComputedStyle(e).backgroundColor, behind(e.parentElement));
		if (r < least.run[0]) least.run = [r, e.parentElement.textContent];
	}
	return least;
}

function structure() {
	const levels = [...document.querySelectorAll("h1,h2,h3,h4,h5")].map((h) => Number(h.tagName[1]));
	return {
		levels,
		titles: [...document.querySelectorAll("h2,h3")].map((h) => h.textContent),
		unnamed: [...document.querySelectorAll("svg[role=img]")].filter((s) => !s.querySelector("title")?.textContent.trim()).length,
		charts: document.querySelectorAll("svg[role=img]").length,
		loose: [...document.querySelectorAll("svg")].filter(
			(s) => !s.closest("[role=img], [aria-hidden=true]")).length,
		headless: [...document.querySelectorAll("th")].filter((th) => !th.hasAttribute("scope")).length,
		panels: document.querySelectorAll("figure.panel").length,
		lang: document.documentElement.lang,
		scripts: document.querySelectorAll("script, iframe, img, object, embed, [onload], [onclick]").length,
	};
}

// Every cell that has data-count: in which VM, table row and side; as texts, since numbers may be beyond 2^53.
function cells() {
	return [...document.querySelectorAll("[data-vm] table.numbers:not(.events) td[data-side]")].map((td) => ({
		vm: td.closest("[data-vm]").dataset.vm,
		row: { ...td.parentElement.dataset },
		data: { ...td.dataset },
		text: td.textContent,
	}));
}

// The area below each curve of exits, back in exits.
function areas() {
	return [...document.querySelectorAll("figure.panel")].filter((p) => p.querySelector(".rate")).map((panel) => {
		const svg = panel.querySelector(".rate");
		const sum = (path) => {
			let [x, y, area] = [0, 1000, 0];
			for (const [, op, a, b] of path.getAttribute("d").matchAll(/([MVHZ])([\d.]+)?(?: ([\d.]+))?/g)) {
				if (op === "M") [x, y] = [Number(a), Number(b)];
				if (op === "V") y = Number(a);
				if (op === "H") [area, x] = [area + (Number(a) - x) * (1000 - y), Number(a)];
			}
			return area / 1e6 * Number(svg.dataset.top) * Number(svg.dataset.spanNs) / 1e9;
		};
		return {
			side: panel.dataset.side,
			vm: panel.closest("[data-vm]").dataset.vm,
			all: sum(svg.querySelector(".all")),
			part: sum(svg.querySelector(".part")),
		};
	});
}

// --- the tests ---

const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM,
	args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});

async function open(name, view, options = {}) {
	const context = await browser.newContext({
		viewport: { width: view.width, height: 900 },
		colorScheme: view.colorScheme,
		offline: true,
		...options,
	});
	const page = await context.newPage();
	const url = pathToFileURL(path.join(dir, `${name}.html`)).href;
	const said = [];
	page.on("console", (m) => said.push(`console: ${m.text()}`));
	page.on("pageerror", (e) => said.push(`error: ${e}`));
	page.on("request", (r) => {
		if (r.url() !== url && r.url() !== "data:,") said.push(`request: ${r.url()}`);
	});
	if (view.media) await page.emulateMedia({ media: view.media });
	await page.goto(url);
	return { context, page, said };
}

async function checkView(name, view) {
	const { context, page, said } = await open(name, view);
	const size = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
	await page.screenshot({ path: path.join(dir, `${name}-${view.how}.png`), fullPage: true });
	assert.deepEqual(said, [], "the console is silent and nothing is fetched");
	assert.ok(size[0] <= size[1], `${size[0]} pixels wide on a page of ${size[1]}`);
	assert.deepEqual(await page.evaluate(overflowing), []);
	assert.deepEqual(await page.evaluate(crowded), []);
	for (const chart of await page.evaluate(bars)) {
		const top = Math.max(...chart.map((b) => b.value ?? 0));
		assert.ok(chart.length > 0 && top > 0);
		for (const b of chart) {
			assert.ok(b.text.trim(), "each bar has its number beside it");
			assert.ok(Math.abs(b.width - (b.value ?? 0) / top * b.whole) < 0.5, `${JSON.stringify(b)} of ${top}`);
		}
	}
	for (const bar of (await page.evaluate(spent)).bars) {
		let at = bar.whole.left;
		for (const p of bar.pieces) {
			assert.ok(Math.abs(p.left - at) < 1.5, `${bar.title}: ${p.part} begins where the one before it ends`);
			assert.ok(Math.abs(p.width - Number(p.value) * bar.whole.width) < 1.5, `${bar.title}: ${p.part} is ${p.width}`);
			at += Number(p.value) * bar.whole.width;
		}
		assert.ok(Math.abs(at - bar.whole.right) < 1.5, `${bar.title}: its parts fill it`);
		assert.equal(new Set(bar.pieces.map((p) => p.fill)).size, bar.pieces.length, "each part has its own colour");
	}
	if (view.width > 1000) {
		const least = await page.evaluate(contrasts);
		assert.ok(least.text[0] >= 4.5, `contrast of text: ${least.text}`);
		assert.ok(least.run[0] >= 3, `contrast of a run's colour: ${least.run}`);
	}
	if (view.media === "print") {
		assert.deepEqual(await page.evaluate(scrolling), [], "tables are not cut on paper");
		const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		assert.equal(paper, "rgb(255, 255, 255)", "paper is white, whatever the screen");
		await page.pdf({ path: path.join(dir, `${name}.pdf`), preferCSSPageSize: true });
	}
	await context.close();
}

async function checkStructure(name) {
	const { context, page } = await open(name, views[0]);
	const s = await page.evaluate(structure);
	assert.equal(s.lang, "en");
	assert.equal(s.levels.filter((l) => l === 1).length, 1);
	s.levels.reduce((before, l) => (assert.ok(l <= before + 1, "no level of headings is left out"), l), 0);
	for (const title of ["Where the time went", "Exits by reason", "Over time", "How long an exit takes", "What KVM’s MMU did", "All numbers", "How it was measured"])
		assert.ok(s.titles.includes(title), title);
	assert.ok(s.charts > 0);
	assert.equal(s.unnamed, 0, "each chart has a title");
	assert.equal(s.loose, 0, "each SVG is a chart or decoration");
	assert.equal(s.headless, 0, "each th has a scope");
	assert.ok(s.panels > 0);
	assert.equal(s.scripts, 0);
	await context.close();
}

async function checkWithoutScript(name) {
	const { context, page } = await open(name, views[0], { javaScriptEnabled: false });
	assert.ok(await page.locator("h1").isVisible());
	assert.ok((await page.locator("svg").count()) > 0);
	await context.close();
}

function group(text) {
	return BigInt(text).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

// Sums of classes and of reasons are the totals; counts as read are counts as written; areas are counts.
async function checkSums(name) {
	const { context, page } = await open(name, views[0]);
	const sums = {};
	for (const { vm, row, data, text } of await page.evaluate(cells)) {
		for (const what of ["count", "timeNs"]) {
			if (data[what] === undefined) continue;
			const key = `${vm} ${data.side} ${what}`;
			const kind = Object.keys(row)[0];
			sums[key] ??= { class: 0n, reason: 0n, total: 0n };
			sums[key][kind] += BigInt(data[what]);
		}
		if (data.count !== undefined) assert.equal(text, group(data.count));
	}
	assert.ok(Object.keys(sums).length > 0);
	for (const [key, sum] of Object.entries(sums)) {
		assert.equal(sum.class, sum.total, key);
		assert.equal(sum.reason, sum.total, key);
	}
	for (const area of await page.evaluate(areas)) {
		const total = Number(sums[`${area.vm} ${area.side} count`].total);
		assert.ok(Math.abs(area.all - total) <= total * 0.005, `${area.all} below the curve of ${area.side}, ${total} in the table`);
		assert.ok(area.part <= area.all * 1.01);
	}
	await context.close();
}


// Each number of compare's JSON is in the tables, and nothing else is.
async function checkCompare(name, side) {
	const { pairs, runs } = JSON.parse(fs.readFileSync(path.join(dir, `${name}.${side}.json`), "utf8"));
	const { context, page } = await open(name, views[0]);
	const shown = await page.evaluate(cells);
	const [pair] = pairs;
	const labels = runs.map((r) => r.label);
	let held = 0;

	function find(kind, row, label, what) {
		const found = shown.filter((c) => c.row[kind] === row && c.data.side === label && what in c.data);
		assert.ok(found.length <= 1, `${row}, ${label}: ${what} is there once`);
		return found[0]?.data[what];
	}
	function hold(kind, row, label, what, value) {
		const text = find(kind, row, label, what);
		if (value === null || value === undefined)
			assert.equal(text, undefined, `${row}, ${label}: ${what}`);
		else
			assert.equal(Number(text), value, `${row}, ${label}: ${what} is ${text}`);
		held++;
	}
	for (const [kind, rows] of [["reason", pair.reasons], ["class", pair.classes], ["total", [{ ...pair.total, total: "total" }]]])
		for (const row of rows) {
			const key = row[kind] ?? row.name;
			for (const i of [0, 1]) {
				hold(kind, key, labels[i], "count", row.sides[i].count);
				hold(kind, key, labels[i], "timeNs", row.sides[i].time_ns);
				hold(kind, key, labels[i], "timeNsPer", row.sides[i].time_ns_per);
				// In total the count is the number already.
				if (!name.startsWith("two")) hold(kind, key, labels[i], "countPer", row.sides[i].count_per);
			}
			hold(kind, key, labels[1], "ratio", row.ratio);
			hold(kind, key, labels[1], "explained", row.explained);
			hold(kind, key, labels[1], "explainedTime", row.explained_time);
		}
	assert.ok(held > 100);
	for (const [fact, what] of [["paging-exits", "exit_share"], ["paging-time", "time_share"]])
		for (const i of [0, 1]) {
			const at = i === 0 ? 0 : side;
			const data = page.locator(`tr[data-fact=${fact}] td`).nth(at).locator("data");
			const value = (await data.count()) ? Number(await data.getAttribute("value")) : null;
			assert.equal(value, pair.sides[i].paging[what], fact);
		}
	await context.close();
}

// The MMU's events are the snapshot's: the VM was born within the recording.
async function checkEvents(name) {
	const [vm] = JSON.parse(fs.readFileSync(path.join(dir, `${name}.last.json`), "utf8")).vms;
	const { context, page } = await open(name, views[0]);
	const rows = await page.evaluate(() =>
		[...document.querySelectorAll("tr[data-event]")].map((tr) => [
			tr.dataset.event, tr.querySelector("td").dataset.count, tr.querySelector("td").textContent]));
	assert.ok(rows.length > 20);
	for (const [event, count, text] of rows) {
		const value = event.split(".").reduce((o, key) => o[key], vm);
		assert.equal(Number(count), value, event);
		assert.equal(text, group(count));
	}
	await context.close();
}

// As docs/numbers.md has it: linear in its bucket, where the longest is not known.
function percentile(hist, permille) {
	const rank = Math.max(1, Math.ceil(hist.reduce((a, b) => a + b) * permille / 1000));
	let seen = 0;
	for (const [i, n] of hist.entries()) {
		const low = i ? 2 ** (i + 5) : 0;
		if (seen + n >= rank) return low + Math.floor((2 ** (i + 6) - 1 - low) * ((rank - seen) / n));
		seen += n;
	}
}

const keys = { guest: "guest_ns", kernel: "kernel_ns", vmm: "vmm_ns", waiting: "runqueue_ns", idle: "idle_ns" };

// Where the time went is what the snapshot says, and adds up to all of it; the percentiles are those of JSON.
async function checkTimes(name) {
	const [vm] = JSON.parse(fs.readFileSync(path.join(dir, `${name}.last.json`), "utf8")).vms;
	const { context, page } = await open(name, views[0]);
	const { bars: [bar], cells: shown } = await page.evaluate(spent);
	const whole = vm.time.total_ns;
	let sum = 0;
	for (const [part, key] of Object.entries(keys)) {
		const [share, ns] = shown.filter((c) => c.part === part);
		assert.equal(Number(ns.data.ns), vm.time[key], part);
		assert.equal(Number(share.data.share), vm.time[key] / whole, part);
		assert.equal(Number(bar.pieces.find((p) => p.part === part).raw), vm.time[key], part);
		sum += Number(share.data.share);
	}
	assert.ok(Math.abs(sum - 1) < 1e-9);
	assert.equal(Number(shown.filter((c) => c.part === "all")[1].data.ns), whole);
	assert.equal(shown.filter((c) => c.part === "rest").length, 0);
	const rows = await page.evaluate(() =>
		[...document.querySelectorAll("table.latency tbody")].map((body) => {
			const data = Object.assign({}, ...[...body.querySelectorAll("td[data-side]")].map((td) => ({ ...td.dataset })));
			return [body.dataset.reason, data];
		}));
	assert.ok(rows.length > 5);
	for (const [reason, data] of rows) {
		const { hist } = vm.exits.reasons.find((r) => r.name === reason);
		for (const [p, permille] of [["p50", 500], ["p90", 900], ["p99", 990], ["p999", 999]])
			assert.equal(Number(data[`${p}Ns`]), percentile(hist, permille), `${reason} ${p}`);
	}
	await context.close();
}

// What is not measured is in no bar; what is not told apart has a piece of its own.
async function checkUnmeasured() {
	const { context, page } = await open("mixed", views[0]);
	const { bars: drawn, cells: shown } = await page.evaluate(spent);
	assert.equal(drawn.length, 2);
	assert.deepEqual(drawn[0].pieces.map((p) => p.part), ["guest", "kernel", "vmm", "waiting", "idle"]);
	assert.deepEqual(drawn[1].pieces.map((p) => p.part), ["guest", "idle", "rest"]);
	for (const c of shown.filter((c) => c.data.side === "counts" && "share" in c.data)) assert.fail(`${c.part}: ${c.text}`);
	assert.equal(await page.locator("table.spent tr").nth(2).locator(".bar").textContent(), "not measured");
	await context.close();
}

// hostile.html is of recordings whose every name is this.
const hostile = "\"><script>document.title=1</script><b onclick=x>\u202e&amp;";

async function checkHostile() {
	const { context, page } = await open("hostile", views[0]);
	const shown = hostile.replace("\u202e", "?");
	assert.ok((await page.title()).includes(shown));
	assert.ok((await page.locator("h1").textContent()).includes(shown));
	for (const fact of ["vm", "host", "kernel"])
		assert.ok((await page.locator(`tr[data-fact=${fact}] td`).first().textContent()).startsWith(shown), fact);
	assert.equal(await page.locator("tr[data-reason=CPUID] td[data-side]").first().getAttribute("data-side"), '"><b>?&amp;');
	assert.equal(await page.locator("script, b").count(), 0);
	await context.close();
}

await test("hostile: names are text", checkHostile);
await test("mixed: what is not measured", checkUnmeasured);
for (const name of pages) {
	for (const view of views.filter((v) => (seen[name] ?? some).includes(v.how)))
		await test(`${name}: ${view.how}, ${view.width} pixels`, () => checkView(name, view));
	await test(`${name}: headings, charts and tables`, () => checkStructure(name));
	await test(`${name}: sums and areas`, () => checkSums(name));
	for (const file of fs.readdirSync(dir).sort()) {
		const [, of, side] = file.match(/^(.*)\.(\d)\.json$/) ?? [];
		if (of === name) await test(`${name}: compare's numbers of run ${side}`, () => checkCompare(name, Number(side)));
	}
	if (fs.existsSync(path.join(dir, `${name}.last.json`))) {
		await test(`${name}: the MMU's events`, () => checkEvents(name));
		await test(`${name}: times and percentiles`, () => checkTimes(name));
	}
	await test(`${name}: readable without scripts`, () => checkWithoutScript(name));
}
await browser.close();
console.log(`1..${count}`);
process.exitCode = failed ? 1 : 0;
