/* SPDX-License-Identifier: GPL-2.0-only */
/* A snapshot from JSON that anyone may have written. */
#include <exitstat/json.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/hist.h>
#include <exitstat/reasons.h>
#include <exitstat/times.h>
#include <exitstat/util.h>

#include "snapshot_fields.h"

#define VMS_MAX	    100000
#define REASONS_MAX 4096
#define VCPUS_MAX   65536
#define STRING_MAX  4096 /* bytes of a name or an id */

/* Where the reader is, for messages: "vms[3].exits.reasons[0]". All parts are ours, so the text is short. */
struct reader {
	char path[128];
	size_t len;
	char *err;
};

/* Steps into a member or an element; the result takes the step back. */
static size_t step(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static size_t step(struct reader *r, const char *fmt, ...)
{
	size_t back = r->len, left = sizeof(r->path) - r->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(r->path + r->len, left, fmt, ap);
	va_end(ap);
	r->len += n < 0 ? 0 : (size_t)n < left ? (size_t)n : left - 1;
	return back;
}

static void step_back(struct reader *r, size_t back)
{
	r->len = back;
	r->path[back] = '\0';
}

static int bad(const struct reader *r, const char *name, const char *what)
{
	const char *path = *r->path == '.' ? r->path + 1 : r->path;

	snprintf(r->err, ES_ERR_MAX, "%s%s%s: %s", path, *path && *name ? "." : "", name, what);
	return -EBADMSG;
}

static int no_memory(const struct reader *r)
{
	snprintf(r->err, ES_ERR_MAX, "out of memory");
	return -ENOMEM;
}

/* Missing and null are the same: NULL. */
static const json_t *member(const json_t *obj, const char *name)
{
	const json_t *v = json_object_get(obj, name);

	return json_is_null(v) ? NULL : v;
}

static int read_u64(struct reader *r, const char *name, const json_t *v, uint64_t max, uint64_t *out)
{
	json_int_t i;

	if (!v)
		return 0;
	if (!json_is_integer(v))
		return bad(r, name, "not a whole number");
	i = json_integer_value(v);
	if (i < 0 || (uint64_t)i > max)
		return bad(r, name, "number out of range");
	*out = (uint64_t)i;
	return 0;
}

static int read_u32(struct reader *r, const char *name, const json_t *v, uint32_t *out)
{
	uint64_t wide = *out;
	int err = read_u64(r, name, v, UINT32_MAX, &wide);

	*out = (uint32_t)wide;
	return err;
}

static int read_object(struct reader *r, const json_t *parent, const char *name, const json_t **out)
{
	*out = member(parent, name);
	return *out && !json_is_object(*out) ? bad(r, name, "not an object") : 0;
}

static int read_array(struct reader *r, const json_t *parent, const char *name, size_t max,
		      const json_t **out)
{
	*out = member(parent, name);
	if (*out && !json_is_array(*out))
		return bad(r, name, "not an array");
	return json_array_size(*out) > max ? bad(r, name, "too many elements") : 0;
}

static int read_string(struct reader *r, const json_t *parent, const char *name, const char **out)
{
	const json_t *v = member(parent, name);

	if (v && !json_is_string(v))
		return bad(r, name, "not a string");
	*out = v ? json_string_value(v) : NULL;
	return *out && strlen(*out) > STRING_MAX ? bad(r, name, "too long") : 0;
}

static int read_section(struct reader *r, const json_t *parent, const struct es_section *section, void *base)
{
	const json_t *obj, *inner;
	size_t back;
	int err = read_object(r, parent, section->key, &obj);

	if (err || !obj)
		return err;
	back = step(r, ".%s", section->key);
	for (size_t k = 0; !err && k < section->n; k++) {
		const struct es_group *g = &section->groups[k];
		char *at = (char *)base + section->at + g->at;

		inner = obj;
		if (g->key)
			err = read_object(r, obj, g->key, &inner);
		for (size_t i = 0; !err && inner && i < g->n; i++)
			err = read_u64(r, g->fields[i].name, member(inner, g->fields[i].name), INT64_MAX,
				       (uint64_t *)(at + g->fields[i].at));
	}
	step_back(r, back);
	return err;
}

static int read_hist(struct reader *r, const json_t *obj, uint64_t *hist)
{
	const json_t *array;
	int err = read_array(r, obj, "hist", ES_HIST_BUCKETS, &array);

	if (err)
		return err;
	if (!array) {
		hist[0] = ES_NONE;
		return 0;
	}
	for (size_t i = 0; !err && i < json_array_size(array); i++)
		err = read_u64(r, "hist", json_array_get(array, i), INT64_MAX, &hist[i]);
	return err;
}

static int read_reason(struct reader *r, const json_t *obj, struct es_reason *reason)
{
	const json_t *flags;
	int err;

	reason->count = reason->time_ns = reason->max_ns = ES_NONE;
	err = read_u64(r, "count", member(obj, "count"), INT64_MAX, &reason->count);
	if (!err)
		err = read_u64(r, "time_ns", member(obj, "time_ns"), INT64_MAX, &reason->time_ns);
	if (!err)
		err = read_u64(r, "max_ns", member(obj, "max_ns"), INT64_MAX, &reason->max_ns);
	if (!err)
		err = read_hist(r, obj, reason->hist);
	if (!err)
		err = read_object(r, obj, "flags", &flags);
	for (unsigned int f = 0; !err && flags && f < ES_FLAGS; f++) {
		/* Left out is 0; null is not measured, as everywhere. */
		if (json_is_null(json_object_get(flags, es_flag_name(f))))
			reason->flags[f] = ES_NONE;
		err = read_u64(r, es_flag_name(f), member(flags, es_flag_name(f)), INT64_MAX,
			       &reason->flags[f]);
	}
	return err;
}

/* An element of reasons[] or per_vcpu[] with the number that puts it in order. */
struct keyed {
	uint32_t key;
	size_t index;
	const json_t *obj;
};

static int compare_keyed(const void *pa, const void *pb)
{
	const struct keyed *a = pa, *b = pb;

	return a->key < b->key ? -1 : a->key > b->key;
}

/*
 * The elements of an array of objects, sorted by their member key_name, which no
 * two of them may share. In order they are all appended: nothing is moved, however
 * the sender shuffled them.
 */
static int read_keyed(struct reader *r, const json_t *array, const char *name, const char *key_name,
		      struct keyed **out)
{
	size_t n = json_array_size(array);
	_cleanup_free_ struct keyed *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return no_memory(r);
	for (size_t i = 0; i < n; i++) {
		const json_t *obj = json_array_get(array, i), *key;
		size_t back = step(r, ".%s[%zu]", name, i);
		int err = 0;

		key = json_is_object(obj) ? member(obj, key_name) : NULL;
		if (!json_is_object(obj))
			err = bad(r, "", "not an object");
		else if (!key)
			err = bad(r, key_name, "missing");
		else
			err = read_u32(r, key_name, key, &all[i].key);
		if (err)
			return err;
		all[i].index = i;
		all[i].obj = obj;
		step_back(r, back);
	}
	qsort(all, n, sizeof(*all), compare_keyed);
	for (size_t i = 1; i < n; i++) {
		if (all[i].key == all[i - 1].key) {
			step(r, ".%s[%zu]", name, all[i].index);
			return bad(r, key_name, "stands twice");
		}
	}
	*out = es_steal_ptr(&all);
	return 0;
}

static int read_reasons(struct reader *r, const json_t *exits, struct es_counts *c)
{
	_cleanup_free_ struct keyed *all = NULL;
	const json_t *array;
	int err = read_array(r, exits, "reasons", REASONS_MAX, &array);

	if (!err)
		err = read_keyed(r, array, "reasons", "code", &all);
	for (size_t i = 0; !err && i < json_array_size(array); i++) {
		struct es_reason *reason = es_counts_reason(c, all[i].key);
		size_t back = step(r, ".reasons[%zu]", all[i].index);

		err = reason ? read_reason(r, all[i].obj, reason) : no_memory(r);
		step_back(r, back);
	}
	return err;
}

/* a + b, or false: more than a reader of our own JSON takes. ES_NONE counts as nothing. */
static bool add_in_range(uint64_t *a, uint64_t b)
{
	if (b == ES_NONE)
		return true;
	*a += b;
	return b <= INT64_MAX && *a <= INT64_MAX;
}

/* Each number is in its range; so must be the sums that are made of them. */
static int check_sums(const struct reader *r, const struct es_counts *c)
{
	uint64_t exits = 0, exit_ns = 0, hist = 0, vcpu_ns = 0;
	bool ok = add_in_range(&exits, es_exits_total(c)) && add_in_range(&exit_ns, es_exits_time_ns(c));

	for (size_t i = 0; ok && i < c->n_reasons; i++)
		for (size_t b = 0; ok && es_hist_known(c->reasons[i].hist) && b < ES_HIST_BUCKETS; b++)
			ok = add_in_range(&hist, c->reasons[i].hist[b]);
	if (!ok)
		return bad(r, "exits", "their sum is out of range");
	for (enum es_time_part p = 0; ok && p < ES_TIME_PARTS; p++)
		ok = add_in_range(&vcpu_ns, es_time_part_ns(&c->time, p));
	return ok ? 0 : bad(r, "time", "its sum is out of range");
}

static int read_counts(struct reader *r, const json_t *obj, struct es_counts *c)
{
	const json_t *exits;
	int err = read_object(r, obj, "exits", &exits);

	if (!err && exits) {
		size_t back = step(r, ".exits");

		c->exits_unknown = json_is_null(json_object_get(exits, "total"));
		err = read_reasons(r, exits, c);
		step_back(r, back);
	}
	for (size_t i = 0; !err && i < ES_SECTIONS; i++)
		err = read_section(r, obj, &es_counts_sections[i], c);
	return err ? err : check_sums(r, c);
}

static int read_vcpus(struct reader *r, const json_t *obj, struct es_vm *vm)
{
	_cleanup_free_ struct keyed *all = NULL;
	const json_t *array;
	int err = read_array(r, obj, "per_vcpu", VCPUS_MAX, &array);

	if (!err)
		err = read_keyed(r, array, "per_vcpu", "vcpu_id", &all);
	for (size_t i = 0; !err && i < json_array_size(array); i++) {
		struct es_vcpu *vcpu = es_vm_add_vcpu(vm, all[i].key);
		size_t back = step(r, ".per_vcpu[%zu]", all[i].index);

		err = vcpu ? read_counts(r, all[i].obj, &vcpu->counts) : no_memory(r);
		step_back(r, back);
	}
	return err;
}

static int read_paging(struct reader *r, const json_t *obj, struct es_vm *vm)
{
	const char *mode = NULL;
	const json_t *paging, *nested;
	int err = read_object(r, obj, "paging", &paging), value;

	if (err || !paging)
		return err;
	err = read_string(r, paging, "mode", &mode);
	if (err)
		return err;
	/* A word of a newer daemon is as good as unknown: the counts still mean what they mean. */
	value = mode ? es_paging_parse(mode) : -EINVAL;
	vm->paging = value < 0 ? ES_PAGING_NONE : (enum es_paging)value;
	nested = member(paging, "nested");
	if (nested && !json_is_boolean(nested))
		return bad(r, "nested", "not true or false");
	vm->nested = json_is_true(nested);
	return 0;
}

static int read_vm_members(struct reader *r, const json_t *obj, struct es_vm *vm)
{
	const char *state = NULL;
	int err = read_u32(r, "pid", member(obj, "pid"), &vm->pid), value;

	if (!err)
		err = read_u32(r, "vcpus", member(obj, "vcpus"), &vm->n_vcpus);
	if (!err)
		err = read_u64(r, "since_ns", member(obj, "since_ns"), INT64_MAX, &vm->since_ns);
	if (!err)
		err = read_u64(r, "ended_ns", member(obj, "ended_ns"), INT64_MAX, &vm->ended_ns);
	if (!err)
		err = read_string(r, obj, "state", &state);
	if (err)
		return err;
	value = state ? es_vm_state_parse(state) : ES_VM_RUNNING;
	if (value < 0)
		return bad(r, "state", "not a state of a VM");
	vm->state = (enum es_vm_state)value;
	err = read_paging(r, obj, vm);
	if (!err)
		err = read_counts(r, obj, &vm->counts);
	return err ? err : read_vcpus(r, obj, vm);
}

static int read_vm(struct reader *r, const json_t *obj, struct es_snapshot *s)
{
	const char *id = NULL, *name = NULL;
	struct es_vm *vm;
	int err;

	if (!json_is_object(obj))
		return bad(r, "", "not an object");
	err = read_string(r, obj, "id", &id);
	if (!err)
		err = read_string(r, obj, "name", &name);
	if (err)
		return err;
	for (const char *p = id; p && *p; p++)
		if (!isgraph((unsigned char)*p) || (unsigned char)*p > 0x7e)
			return bad(r, "id", "not printable ASCII");
	vm = es_vm_new(id, name);
	if (!vm)
		return no_memory(r);
	err = read_vm_members(r, obj, vm);
	if (err) {
		es_vm_unref(vm);
		return err;
	}
	return es_snapshot_add(s, vm) < 0 ? no_memory(r) : 0;
}

/* Into a buffer of the host's names, which uname(2) bounds. */
static int read_word(struct reader *r, const json_t *parent, const char *name, char *buf, size_t size)
{
	const char *s;
	int err = read_string(r, parent, name, &s);

	if (err || !s)
		return err;
	if (strlen(s) >= size)
		return bad(r, name, "too long");
	strcpy(buf, s);
	return 0;
}

static int read_host(struct reader *r, const json_t *root, struct es_host *h)
{
	const json_t *host, *tdp;
	char isa[16] = "";
	int err = read_object(r, root, "host", &host), value;
	size_t back;

	if (err || !host)
		return err;
	back = step(r, ".host");
	err = read_word(r, host, "hostname", h->hostname, sizeof(h->hostname));
	if (!err)
		err = read_word(r, host, "kernel", h->kernel, sizeof(h->kernel));
	if (!err)
		err = read_word(r, host, "isa", isa, sizeof(isa));
	tdp = member(host, "tdp");
	if (!err && tdp && !json_is_boolean(tdp))
		err = bad(r, "tdp", "not true or false");
	value = es_isa_parse(isa);
	h->isa = value < 0 ? ES_ISA_NONE : (enum es_isa)value;
	h->tdp = !tdp ? ES_UNKNOWN : json_is_true(tdp) ? ES_YES : ES_NO;
	step_back(r, back);
	return err;
}

static int read_snapshot(struct reader *r, const json_t *root, struct es_snapshot *s)
{
	const char *schema = NULL;
	const json_t *vms;
	int err;

	if (!json_is_object(root))
		return bad(r, "snapshot", "not an object");
	err = read_string(r, root, "schema", &schema);
	if (err)
		return err;
	if (!schema || strcmp(schema, ES_SCHEMA))
		return bad(r, "schema", "not " ES_SCHEMA);
	err = read_host(r, root, &s->host);
	if (!err)
		err = read_section(r, root, &es_taken_section, s);
	if (!err)
		err = read_section(r, root, &es_health_section, s);
	if (!err)
		err = read_array(r, root, "vms", VMS_MAX, &vms);
	for (size_t i = 0; !err && i < json_array_size(vms); i++) {
		size_t back = step(r, "vms[%zu]", i);

		err = read_vm(r, json_array_get(vms, i), s);
		step_back(r, back);
	}
	return err;
}

int es_snapshot_from_json(const json_t *root, struct es_snapshot **out, char err[ES_ERR_MAX])
{
	struct es_snapshot *s = es_snapshot_new();
	struct reader r = { .err = err };
	int ret;

	*err = '\0';
	if (!s)
		return no_memory(&r);
	ret = read_snapshot(&r, root, s);
	if (ret < 0) {
		es_snapshot_unref(s);
		return ret;
	}
	*out = s;
	return 0;
}

int es_snapshot_parse(const char *text, size_t len, struct es_snapshot **out, char err[ES_ERR_MAX])
{
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	int ret;

	if (!root) {
		bool oom = json_error_code(&e) == json_error_out_of_memory;

		snprintf(err, ES_ERR_MAX, "not JSON: line %d, column %d: %s", e.line, e.column, e.text);
		/* The text quotes the input, and will be printed. */
		for (char *p = err; *p; p++)
			if (!isprint((unsigned char)*p))
				*p = '?';
		return oom ? -ENOMEM : -EBADMSG;
	}
	ret = es_snapshot_from_json(root, out, err);
	json_decref(root);
	return ret;
}
