// SPDX-License-Identifier: GPL-2.0-only
/* The methods: a table drives which there are, what they take and who may call them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <exitstat/diff.h>
#include <exitstat/json.h>
#include <exitstat/service.h>
#include <exitstat/util.h>

#include "daemon_cost.h"

#define CACHE_SIZE 16
#define ECHO_MAX   128 /* bytes of a client's own words that an error repeats */
#define NEAR_MAX   5
#define ALONE_MAX  8 /* VMs that are looked at without the others */

struct args {
	const char *vm;
	bool per_vcpu, last_interval;
	uint64_t measure_ns;
};

/* What a rendered snapshot depends on. uid is ignored when all. */
struct key {
	uint64_t generation;
	bool all, per_vcpu, last_interval;
	uint32_t uid;
	char vm[256];
};

struct es_service {
	struct es_store *store;
	struct es_costs *costs;
	const struct es_service_ops *ops;
	void *ctx;
	struct {
		struct key key;
		struct es_text *text;
	} cache[CACHE_SIZE];
	unsigned int next; /* place in the cache that is given away next */
	/* The difference of the last interval, made once per pair of looks, which their times name. */
	struct es_snapshot *diff;
	uint64_t diff_from_ns, diff_to_ns;
};

struct call {
	struct es_service *sv;
	const struct es_peer *peer;
	struct args args;
	struct es_later *later;
	struct es_text *reply; /* NULL at the end: it comes later, or there was no memory */
};

struct param {
	const char *name;
	json_type type;
	size_t offset;
	json_int_t max; /* of a JSON_INTEGER, which begins at 1 */
};

struct method {
	const char *name;
	bool root;
	void (*run)(struct call *c);
	const struct param *params;
	size_t n_params;
};

struct es_text *es_text_ref(struct es_text *t)
{
	t->refs++;
	return t;
}

void es_text_unref(struct es_text *t)
{
	if (!t || --t->refs)
		return;
	free(t->data);
	free(t);
}

/* The finished JSON as a line. NULL: out of memory. */
static struct es_text *finish(struct es_json *j)
{
	struct es_text *t = calloc(1, sizeof(*t));
	char *fit;
	size_t len;

	if (t)
		t->data = es_json_take(j, &len);
	es_json_free(j);
	if (!t || !t->data) {
		free(t);
		return NULL;
	}
	t->refs = 1;
	t->data[len] = '\n'; /* in place of the NUL */
	t->len = len + 1;
	fit = realloc(t->data, t->len); /* it grew by doubling and is kept for a while */
	if (fit)
		t->data = fit;
	return t;
}

static void begin(struct es_json *j, const char *error)
{
	es_json_init(j, false);
	es_json_object(j, NULL);
	if (error)
		es_json_string(j, "error", error);
	es_json_object(j, "parameters");
}

static struct es_text *end(struct es_json *j)
{
	es_json_object_end(j);
	es_json_object_end(j);
	return finish(j);
}

struct es_text *es_service_error(const char *error, const char *message)
{
	struct es_json j;

	begin(&j, error);
	es_json_string(&j, "message", message);
	return end(&j);
}

static void refuse(struct call *c, const char *error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse(struct call *c, const char *error, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	c->reply = es_service_error(error, message);
}

static bool may_see(const struct es_peer *p, const struct es_vm *vm)
{
	return p->all || (vm->uid != UINT32_MAX && vm->uid == p->uid);
}

/* What the peer may see of s. NULL: out of memory. */
static struct es_snapshot *visible(const struct es_peer *p, struct es_snapshot *s)
{
	struct es_snapshot *v;

	if (p->all)
		return es_snapshot_ref(s);
	v = es_snapshot_new();
	if (!v)
		return NULL;
	v->host = s->host;
	v->taken = s->taken;
	v->health = s->health;
	for (size_t i = 0; i < s->n_vms; i++)
		if (may_see(p, s->vms[i]) && es_snapshot_add(v, es_vm_ref(s->vms[i])) < 0) {
			es_snapshot_unref(v);
			return NULL;
		}
	return v;
}

/* Borrowed from the service; NULL: out of memory. */
static struct es_snapshot *last_interval(struct es_service *sv)
{
	struct es_snapshot *to = es_store_tick(sv->store, 0), *from = es_store_tick(sv->store, 1);
	struct es_snapshot *diff;
	int r;

	if (!from) {
		/* One tick so far: from there to the newest look. */
		from = to ? to : es_store_latest(sv->store);
		to = es_store_latest(sv->store);
	}
	if (sv->diff && sv->diff_from_ns == from->taken.monotonic_ns &&
	    sv->diff_to_ns == to->taken.monotonic_ns)
		return sv->diff;
	r = es_diff(from, to, &diff);
	if (r == -EINVAL) /* a recording over a reboot: there is no interval */
		r = es_diff(to, to, &diff);
	if (r < 0)
		return NULL;
	es_snapshot_unref(sv->diff);
	sv->diff = diff;
	sv->diff_from_ns = from->taken.monotonic_ns;
	sv->diff_to_ns = to->taken.monotonic_ns;
	return diff;
}

static struct es_text *no_such_vm(const struct es_snapshot *seen, const char *vm)
{
	const char *near[NEAR_MAX];
	size_t n = es_snapshot_near(seen, vm, near, NEAR_MAX);
	struct es_json j;

	begin(&j, "exitstat.NoSuchVM");
	es_json_string(&j, "vm", vm);
	es_json_array(&j, "near");
	for (size_t i = 0; i < n; i++)
		es_json_string(&j, NULL, near[i]);
	es_json_array_end(&j);
	return end(&j);
}

static struct es_text *render(struct call *c, const struct es_snapshot *s)
{
	struct es_status *st = calloc(1, sizeof(*st));
	struct es_text *t;
	struct es_json j;

	if (!st)
		return NULL;
	c->sv->ops->status(c->sv->ctx, st);
	begin(&j, NULL);
	es_snapshot_write(&j, "snapshot", s, c->args.per_vcpu);
	es_json_string(&j, "notice", st->notice[0] ? st->notice : NULL);
	t = end(&j);
	free(st);
	return t;
}

/* The answer for VMs that exist (or no such VM). NULL: out of memory. */
static struct es_text *answer_snapshot(struct call *c)
{
	struct es_snapshot *seen = visible(c->peer, es_store_latest(c->sv->store)), *base = NULL,
			   *picked = NULL;
	struct es_snapshot *diff = c->args.last_interval ? last_interval(c->sv) : NULL;
	struct es_text *t = NULL;

	if (seen)
		picked = es_snapshot_select(seen, c->args.vm);
	if (picked && c->args.vm && !picked->n_vms) {
		t = no_such_vm(seen, c->args.vm);
	} else if (picked && !c->args.last_interval) {
		t = render(c, picked);
	} else if (picked && diff && (base = visible(c->peer, diff))) {
		/* Whether the VM exists is asked of all; what it did, of the interval. */
		es_snapshot_unref(picked);
		picked = es_snapshot_select(base, c->args.vm);
		if (picked)
			t = render(c, picked);
	}
	es_snapshot_unref(picked);
	es_snapshot_unref(base);
	es_snapshot_unref(seen);
	return t;
}

static bool all_live(const struct es_snapshot *s)
{
	for (size_t i = 0; i < s->n_vms; i++)
		if (s->vms[i]->state == ES_VM_ENDED)
			return false;
	return true;
}

/* Few VMs are looked at alone, and are not kept. NULL: it takes a view of all. */
static struct es_text *answer_alone(struct call *c)
{
	struct es_snapshot *latest = es_store_latest(c->sv->store), *fresh = NULL;
	struct es_snapshot *seen = latest ? visible(c->peer, latest) : NULL;
	struct es_snapshot *picked = seen ? es_snapshot_select(seen, c->args.vm) : NULL;
	struct es_text *t = NULL;

	if (picked && picked->n_vms && picked->n_vms <= ALONE_MAX && all_live(picked) &&
	    !c->sv->ops->look(c->sv->ctx, picked, c->args.per_vcpu, &fresh))
		t = render(c, fresh);
	es_snapshot_unref(fresh);
	es_snapshot_unref(picked);
	es_snapshot_unref(seen);
	return t;
}

static bool same_key(const struct key *a, const struct key *b)
{
	return a->generation == b->generation && a->all == b->all && a->per_vcpu == b->per_vcpu &&
	       a->last_interval == b->last_interval && (a->all || a->uid == b->uid) && !strcmp(a->vm, b->vm);
}

static struct es_text *cache_find(struct es_service *sv, const struct key *k)
{
	for (unsigned int i = 0; i < CACHE_SIZE; i++) {
		if (!sv->cache[i].text)
			continue;
		if (same_key(&sv->cache[i].key, k))
			return es_text_ref(sv->cache[i].text);
		if (sv->cache[i].key.generation != k->generation) {
			es_text_unref(sv->cache[i].text);
			sv->cache[i].text = NULL;
		}
	}
	return NULL;
}

static void cache_keep(struct es_service *sv, const struct key *k, struct es_text *t)
{
	es_text_unref(sv->cache[sv->next].text);
	sv->cache[sv->next].key = *k;
	sv->cache[sv->next].text = es_text_ref(t);
	sv->next = (sv->next + 1) % CACHE_SIZE;
}

static void get_snapshot(struct call *c)
{
	struct es_store *store = c->sv->store;
	struct key k = { .all = c->peer->all,
			 .per_vcpu = c->args.per_vcpu,
			 .uid = c->peer->uid,
			 .last_interval = c->args.last_interval };

	/* "" is not a VM's name, so in the key it stands for all. */
	if (c->args.vm && (!*c->args.vm || strlen(c->args.vm) >= sizeof(k.vm))) {
		refuse(c, ES_ERROR_BAD_REQUEST, "parameter vm: must have 1 to %zu bytes", sizeof(k.vm) - 1);
		return;
	}
	if (c->args.vm)
		memcpy(k.vm, c->args.vm, strlen(c->args.vm));
	if (c->args.vm && !c->args.last_interval && c->sv->ops->look && (c->reply = answer_alone(c)))
		return;
	/* Two ticks do not change by looking again, so asking for rates costs no sample. */
	if (!c->args.last_interval || c->args.per_vcpu || !es_store_tick(store, 1))
		c->sv->ops->refresh(c->sv->ctx, c->args.per_vcpu);
	if (!es_store_latest(store)) {
		refuse(c, ES_ERROR_FAILED, "nothing has been sampled yet; see the daemon's log");
		return;
	}
	k.generation = es_store_generation(store);
	c->reply = cache_find(c->sv, &k);
	if (c->reply)
		return;
	c->reply = answer_snapshot(c);
	if (c->reply)
		cache_keep(c->sv, &k, c->reply);
}

static void get_info(struct call *c)
{
	struct es_json j;

	begin(&j, NULL);
	es_json_string(&j, "product", "exitstat");
	es_json_string(&j, "version", ES_VERSION);
	es_json_u64(&j, "protocol", 1);
	c->reply = end(&j);
}

/* NULL: out of memory. */
static struct es_text *answer_status(struct es_service *sv, const struct es_peer *peer,
				     const struct es_cost *cost)
{
	struct es_status *st = calloc(1, sizeof(*st));
	struct es_kernel_report *kernel = NULL;
	struct es_text *t = NULL;
	struct es_json j;

	/* First the comparison: what goes wrong in it is counted in the status. */
	if (st && !sv->ops->kernel(sv->ctx, peer->all, peer->uid, &kernel)) {
		sv->ops->status(sv->ctx, st);
		st->kernel = kernel;
		st->cost = *cost;
		begin(&j, NULL);
		es_status_write(&j, "status", st);
		t = end(&j);
	}
	es_kernel_report_free(kernel);
	free(st);
	return t;
}

/* 0: it goes on, and its end is told to c->later. Else why says why not. */
static int measure(struct call *c, char why[ES_COST_WHY])
{
	const char *word = NULL;

	if (!c->args.measure_ns)
		word = "not asked for";
	else if (!c->sv->costs || !c->later)
		word = "not possible here";
	else if (!c->peer->all) /* it slows every BPF program of the host a little */
		word = "only root and members of the daemon's group may have it measured; use sudo";
	if (!word)
		return es_cost_begin(c->sv->costs, c->args.measure_ns, c->later->ready, c->later->ctx,
				     &c->later->run, why);
	snprintf(why, ES_COST_WHY, "%s", word);
	return -EPERM;
}

static void get_status(struct call *c)
{
	struct es_cost none = { .why = "" };

	if (measure(c, none.why) < 0)
		c->reply = answer_status(c->sv, c->peer, &none);
}

struct es_text *es_service_finish(struct es_service *sv, const struct es_peer *peer, struct es_later *later)
{
	struct es_text *t = answer_status(sv, peer, es_cost_result(later->run));

	es_service_cancel(later);
	return t;
}

void es_service_cancel(struct es_later *later)
{
	es_cost_end(later->run);
	later->run = NULL;
}

static void do_switch(struct call *c, int (*run)(void *ctx, char *err, size_t size))
{
	char err[256] = "";
	struct es_json j;
	int r = run(c->sv->ctx, err, sizeof(err));

	if (r < 0) {
		refuse(c, ES_ERROR_FAILED, "%s", err[0] ? err : strerror(-r));
		return;
	}
	begin(&j, NULL);
	c->reply = end(&j);
}

static void do_detach(struct call *c)
{
	do_switch(c, c->sv->ops->detach);
}

static void do_attach(struct call *c)
{
	do_switch(c, c->sv->ops->attach);
}

static const struct param snapshot_params[] = {
	{ "vm", JSON_STRING, offsetof(struct args, vm), 0 },
	{ "per_vcpu", JSON_TRUE, offsetof(struct args, per_vcpu), 0 },
	{ "last_interval", JSON_TRUE, offsetof(struct args, last_interval), 0 },
};

static const struct param status_params[] = {
	{ "measure_ns", JSON_INTEGER, offsetof(struct args, measure_ns), ES_COST_MAX_NS },
};

static const struct method methods[] = {
	{ "exitstat.GetInfo", false, get_info, NULL, 0 },
	{ "exitstat.GetSnapshot", false, get_snapshot, snapshot_params, ES_ARRAY_SIZE(snapshot_params) },
	{ "exitstat.GetStatus", false, get_status, status_params, ES_ARRAY_SIZE(status_params) },
	{ "exitstat.Detach", true, do_detach, NULL, 0 },
	{ "exitstat.Attach", true, do_attach, NULL, 0 },
};

/* Not more of a client's own words than fits an error; whole characters. */
static void cut(char out[ECHO_MAX], const char *s)
{
	size_t n = strlen(s);

	if (n >= ECHO_MAX)
		for (n = ECHO_MAX - 1; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
			n--;
	memcpy(out, s, n);
	out[n] = '\0';
}

static bool take_param(struct call *c, const struct param *p, const json_t *value)
{
	char *to = (char *)&c->args + p->offset;

	if (p->type == JSON_STRING && json_is_string(value))
		*(const char **)to = json_string_value(value);
	else if (p->type == JSON_TRUE && json_is_boolean(value))
		*(bool *)to = json_is_true(value);
	else if (p->type == JSON_INTEGER && json_integer_value(value) > 0 &&
		 json_integer_value(value) <= p->max)
		*(uint64_t *)to = (uint64_t)json_integer_value(value);
	else
		return false;
	return true;
}

static void refuse_param(struct call *c, const struct param *p)
{
	if (p->type == JSON_INTEGER)
		refuse(c, ES_ERROR_BAD_REQUEST,
		       "parameter %s: must be a whole number from 1 to %" JSON_INTEGER_FORMAT, p->name,
		       p->max);
	else
		refuse(c, ES_ERROR_BAD_REQUEST, "parameter %s: must be a %s", p->name,
		       p->type == JSON_STRING ? "string" : "boolean");
}

/* false: the reply says what is wrong. */
static bool take_params(struct call *c, const struct method *m, json_t *params)
{
	char name[ECHO_MAX];
	const char *key;
	json_t *value;

	json_object_foreach(params, key, value)
	{
		size_t i = 0;

		cut(name, key);
		while (i < m->n_params && strcmp(m->params[i].name, key))
			i++;
		if (i == m->n_params) {
			refuse(c, ES_ERROR_BAD_REQUEST, "%s has no parameter %s", m->name, name);
			return false;
		}
		if (!json_is_null(value) && !take_param(c, &m->params[i], value)) {
			refuse_param(c, &m->params[i]);
			return false;
		}
	}
	return true;
}

static void method_not_found(struct call *c, const char *name)
{
	char word[ECHO_MAX];
	struct es_json j;

	cut(word, name);
	begin(&j, "exitstat.MethodNotFound");
	es_json_string(&j, "method", word);
	c->reply = end(&j);
}

static void dispatch(struct call *c, const char *name, json_t *params)
{
	size_t i = 0;

	while (i < ES_ARRAY_SIZE(methods) && strcmp(methods[i].name, name))
		i++;
	if (i == ES_ARRAY_SIZE(methods))
		method_not_found(c, name);
	else if (methods[i].root && c->peer->uid != 0)
		refuse(c, "exitstat.PermissionDenied", "%s is for root only; use sudo", name);
	else if (take_params(c, &methods[i], params))
		methods[i].run(c);
}

static void read_request(struct call *c, json_t *root)
{
	json_t *method = NULL, *params = NULL, *value;
	char name[ECHO_MAX];
	const char *key;

	json_object_foreach(root, key, value)
	{
		if (!strcmp(key, "method")) {
			method = value;
		} else if (!strcmp(key, "parameters")) {
			params = value;
		} else {
			cut(name, key);
			refuse(c, ES_ERROR_BAD_REQUEST, "a request has no member %s", name);
			return;
		}
	}
	if (!json_is_string(method))
		refuse(c, ES_ERROR_BAD_REQUEST, "member method: must be a string");
	else if (params && !json_is_object(params) && !json_is_null(params))
		refuse(c, ES_ERROR_BAD_REQUEST, "member parameters: must be an object");
	else
		dispatch(c, json_string_value(method), params);
}

struct es_text *es_service_call(struct es_service *sv, const struct es_peer *peer, const char *line,
				size_t len, struct es_later *later)
{
	struct call c = { .sv = sv, .peer = peer, .later = later };
	json_error_t je;
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je);

	if (!root)
		refuse(&c, ES_ERROR_BAD_REQUEST, "not JSON: %.160s (column %d)", je.text, je.column);
	else if (!json_is_object(root))
		refuse(&c, ES_ERROR_BAD_REQUEST, "not a JSON object");
	else
		read_request(&c, root);
	json_decref(root);
	return c.reply;
}

struct es_service *es_service_new(struct es_store *store, struct es_costs *costs,
				  const struct es_service_ops *ops, void *ctx)
{
	struct es_service *sv = calloc(1, sizeof(*sv));

	if (sv) {
		sv->store = store;
		sv->costs = costs;
		sv->ops = ops;
		sv->ctx = ctx;
	}
	return sv;
}

void es_service_forget(struct es_service *sv)
{
	for (unsigned int i = 0; i < CACHE_SIZE; i++) {
		es_text_unref(sv->cache[i].text);
		sv->cache[i].text = NULL;
	}
	es_snapshot_unref(sv->diff);
	sv->diff = NULL;
}

void es_service_free(struct es_service *sv)
{
	if (!sv)
		return;
	es_service_forget(sv);
	free(sv);
}
