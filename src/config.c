// SPDX-License-Identifier: GPL-2.0-only
/* Settings, from the command line and from the config file. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <exitstat/config.h>
#include <exitstat/log.h>
#include <exitstat/options_table.h>
#include <exitstat/util.h>

enum kind { KIND_TEXT, KIND_TIME, KIND_COUNT, KIND_BOOL, KIND_MMU, KIND_FLAG };

#define NS_MS  1000000ULL
#define NS_S   (1000 * NS_MS)
#define NS_DAY (86400 * NS_S)

/* Where an option may stand and when it counts. */
#define ARGS_ONLY 1 /* not in the file */
#define LIVE	  2 /* SIGHUP changes it */

struct setting {
	const char *name;
	const char *arg; /* what --help calls the value; NULL: takes none */
	enum kind kind;
	unsigned int flags;
	size_t offset;
	uint64_t min, max; /* of a number or time; max: size of a text's member */
	const char *def;
	const char *help; /* NULL: --help is silent about it */
};

#define AT(m)	offsetof(struct es_config, m)
#define TEXT(m) .kind = KIND_TEXT, .offset = AT(m), .max = sizeof(((struct es_config *)0)->m)

/* Every setting, once: parsed, defaulted, listed by --help and reloaded from here. */
static const struct setting settings[] = {
	{ "socket", "PATH", TEXT(socket), .def = ES_SOCKET_DEFAULT, .help = "where clients connect" },
	{ "group", "GROUP", TEXT(group), .flags = LIVE, .def = "exitstat",
	  .help = "its members see every VM, as root does; name or number" },
	{ "user", "USER", TEXT(user), .def = "exitstat",
	  .help = "who the process that serves clients is, once\n                     root has started it; "
		  "name or number" },
	{ "interval", "T", KIND_TIME, LIVE, AT(interval_ns), 10 * NS_MS, 3600 * NS_S, "1s",
	  "time between two periodic samples" },
	{ "slots", "N", KIND_COUNT, 0, AT(slots), 1, 65536, "1024", "vCPUs measured at most; 16 KiB each" },
	{ "latency", NULL, KIND_BOOL, 0, AT(latency), 0, 0, "yes",
	  "count exits only: no times, no histograms" },
	{ "mmu", "off|basic|full", KIND_MMU, 0, AT(mmu), 0, 0, "basic",
	  "what of KVM's MMU is counted: nothing, what is\n                     worth its cost, or all; "
	  "--no-mmu is off" },
	{ "ended-keep", "T", KIND_TIME, LIVE, AT(ended_keep_ns), 0, 30 * NS_DAY, "10min",
	  "how long a VM that ended is still shown" },
	{ "ended-max", "N", KIND_COUNT, LIVE, AT(ended_max), 0, 10000, "64", "how many of those at most" },
	{ "history", "N", KIND_COUNT, LIVE, AT(history), 2, 86400, "2", "periodic samples kept in memory" },
	{ "metrics", "ADDR:PORT", TEXT(metrics), .def = "",
	  .help = "tell Prometheus, over HTTP: anyone who can\n                     connect sees every VM" },
	{ "metrics-vms", "N", KIND_COUNT, 0, AT(metrics_vms), 1, 100000, "1000",
	  "VMs it is told of at most" },
	{ "metrics-histograms", NULL, KIND_BOOL, 0, AT(metrics_histograms), 0, 0, "no",
	  "histograms of exit times, too" },
	{ "pin", NULL, KIND_BOOL, 0, AT(pin), 0, 0, "no",
	  "programs and counts outlive the daemon, the next\n                     one goes on with them" },
	{ "pin-dir", "DIR", TEXT(pin_dir), .def = "/sys/fs/bpf/exitstat", .help = "where they are then" },
	{ "unpin", NULL, KIND_FLAG, ARGS_ONLY, AT(unpin), 0, 0, "no", "remove what --pin left, and exit" },
	{ "replay", "FILE", TEXT(replay), .flags = ARGS_ONLY, .def = "",
	  .help = "serve a recording instead of this host; needs no root" },
	{ "config", "FILE", TEXT(file), .flags = ARGS_ONLY, .def = ES_CONFIG_FILE, .help = "config file" },
	{ "version", NULL, KIND_FLAG, ARGS_ONLY, AT(version), 0, 0, "no", "print the version" },
	{ "help", NULL, KIND_FLAG, ARGS_ONLY, AT(help), 0, 0, "no", "print this" },
	{ "options", NULL, KIND_FLAG, ARGS_ONLY, AT(options), 0, 0, "no", NULL },
};

#define N_SETTINGS ES_ARRAY_SIZE(settings)

int es_parse_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {
		{ "", 1e9 },   { "us", 1e3 },	{ "ms", 1e6 },	 { "s", 1e9 },
		{ "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
	};
	size_t digits = strspn(text, "0123456789.");
	char *end;
	double v;

	if (digits == 0 || strcspn(text, ".") + 1 == digits)
		return -EINVAL;
	v = strtod(text, &end);
	if (end != text + digits)
		return -EINVAL;
	for (size_t i = 0; i < ES_ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		if (v * units[i].ns > 1e18)
			return -EINVAL;
		*ns = (uint64_t)(v * units[i].ns);
		return 0;
	}
	return -EINVAL;
}

static int parse_count(const char *text, uint64_t *v)
{
	char *end;

	if (!*text || text[strspn(text, "0123456789")])
		return -EINVAL;
	errno = 0;
	*v = strtoull(text, &end, 10);
	return errno ? -EINVAL : 0;
}

static int parse_bool(const char *text, bool *v)
{
	static const char *const words[][2] = {
		{ "no", "yes" }, { "false", "true" }, { "off", "on" }, { "0", "1" }
	};

	for (size_t i = 0; i < ES_ARRAY_SIZE(words); i++)
		for (int j = 0; j < 2; j++)
			if (!strcmp(text, words[i][j])) {
				*v = j;
				return 0;
			}
	return -EINVAL;
}

static int set_text(const struct setting *s, struct es_config *c, const char *value, char *err)
{
	size_t len = strlen(value);

	if (len >= s->max) {
		snprintf(err, ES_CONFIG_ERR, "%s: %zu bytes are too many, at most %zu fit", s->name, len,
			 (size_t)s->max - 1);
		return -EINVAL;
	}
	if (!len && *s->def) {
		snprintf(err, ES_CONFIG_ERR, "%s: empty value", s->name);
		return -EINVAL;
	}
	memcpy((char *)c + s->offset, value, len + 1);
	return 0;
}

static int set_number(const struct setting *s, struct es_config *c, const char *value, char *err)
{
	bool time = s->kind == KIND_TIME;
	uint64_t v;
	int r;

	r = time ? es_parse_duration(value, &v) : parse_count(value, &v);
	if (r < 0) {
		snprintf(err, ES_CONFIG_ERR, "%s: '%.64s' is not %s", s->name, value,
			 time ? "a time such as 500ms, 1s or 10min" : "a number");
		return r;
	}
	if (v < s->min || v > s->max) {
		unsigned long long unit = time ? NS_MS : 1;

		snprintf(err, ES_CONFIG_ERR, "%s: %.64s is out of range, %llu%s to %llu%s", s->name, value,
			 s->min / unit, time ? "ms" : "", s->max / unit, time ? "ms" : "");
		return -EINVAL;
	}
	*(uint64_t *)((char *)c + s->offset) = v;
	return 0;
}

/* "off" comes first: a negated option means it. */
static int set_mmu(const struct setting *s, struct es_config *c, const char *value, char *err)
{
	static const char *const modes[] = {
		[ES_MMU_OFF] = "off", [ES_MMU_BASIC] = "basic", [ES_MMU_FULL] = "full"
	};

	for (size_t i = 0; i < ES_ARRAY_SIZE(modes); i++)
		if (!strcmp(value, modes[i]) || (i == ES_MMU_OFF && !strcmp(value, "no"))) {
			*(int *)((char *)c + s->offset) = (int)i;
			return 0;
		}
	snprintf(err, ES_CONFIG_ERR, "%s: '%.64s' is not off, basic or full", s->name, value);
	return -EINVAL;
}

static int set(const struct setting *s, struct es_config *c, const char *value, char *err)
{
	switch (s->kind) {
	case KIND_TEXT:
		return set_text(s, c, value, err);
	case KIND_TIME:
	case KIND_COUNT:
		return set_number(s, c, value, err);
	case KIND_MMU:
		return set_mmu(s, c, value, err);
	default:
		if (parse_bool(value, (bool *)((char *)c + s->offset)) == 0)
			return 0;
		snprintf(err, ES_CONFIG_ERR, "%s: '%.64s' is neither yes nor no", s->name, value);
		return -EINVAL;
	}
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r\n");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r\n", end[-1]))
		*--end = '\0';
	return s;
}

static int file_line(struct es_config *c, char *line, char *err)
{
	char *key = trim(line), *value = strchr(key, '=');

	if (!*key || *key == '#' || *key == ';')
		return 0;
	if (!value) {
		snprintf(err, ES_CONFIG_ERR, "expected key = value");
		return -EINVAL;
	}
	*value++ = '\0';
	key = trim(key);
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (!strcmp(settings[i].name, key) && !(settings[i].flags & ARGS_ONLY))
			return set(&settings[i], c, trim(value), err);
	snprintf(err, ES_CONFIG_ERR, "unknown key '%.64s'", key);
	return -EINVAL;
}

static int load_file(struct es_config *c, bool required, char *err)
{
	_cleanup_fclose_ FILE *f = fopen(c->file, "re");
	_cleanup_free_ char *line = NULL;
	char reason[ES_CONFIG_ERR];
	size_t size = 0;

	if (!f) {
		int e = errno;

		if (e == ENOENT && !required)
			return 0;
		snprintf(err, ES_CONFIG_ERR, "cannot read %.256s: %s", c->file, strerror(e));
		return -e;
	}
	for (unsigned int n = 1; getline(&line, &size, f) >= 0; n++)
		if (file_line(c, line, reason) < 0) {
			snprintf(err, ES_CONFIG_ERR, "%.200s:%u: %.256s", c->file, n, reason);
			return -EBADMSG;
		}
	if (ferror(f)) {
		snprintf(err, ES_CONFIG_ERR, "cannot read %.256s: not a readable file", c->file);
		return -EIO;
	}
	return 0;
}

/* The options as getopt_long wants them; what can be switched off comes as --no-NAME, too. */
struct options {
	struct option list[2 * N_SETTINGS + 1];
	char negated[N_SETTINGS][32];
};

static void make_options(struct options *o)
{
	size_t n = 0;

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < N_SETTINGS; i++) {
		o->list[n++] =
			(struct option){ settings[i].name, settings[i].arg ? required_argument : no_argument,
					 NULL, 256 + (int)i };
		if (settings[i].kind != KIND_BOOL && settings[i].kind != KIND_MMU)
			continue;
		snprintf(o->negated[i], sizeof(o->negated[i]), "no-%s", settings[i].name);
		o->list[n++] = (struct option){ o->negated[i], no_argument, NULL, 512 + (int)i };
	}
}

static int usage_error(int opt, char **argv, char *err)
{
	const char *given = optind > 0 ? argv[optind - 1] : "";
	const char *what = opt == ':' ? "needs a value" : "is not an option, or takes no value";

	snprintf(err, ES_CONFIG_ERR, "%.128s %s; see exitstatd --help", given, what);
	return -EINVAL;
}

static int load_args(int argc, char **argv, struct es_config *c, bool *config_given, char *err)
{
	struct options o;
	int opt, r = 0;

	make_options(&o);
	opterr = 0;
	optind = 0; /* also resets what getopt remembers: on SIGHUP we come here again */
	while (r == 0 && (opt = getopt_long(argc, argv, ":hV", o.list, NULL)) != -1) {
		if (opt == 'h')
			c->help = true;
		else if (opt == 'V')
			c->version = true;
		else if (opt >= 512)
			r = set(&settings[opt - 512], c, "no", err);
		else if (opt >= 256)
			r = set(&settings[opt - 256], c, optarg ? optarg : "yes", err);
		else
			r = usage_error(opt, argv, err);
		if (opt >= 256 && opt < 512 && !strcmp(settings[opt - 256].name, "config"))
			*config_given = true;
	}
	if (r == 0 && optind < argc) {
		snprintf(err, ES_CONFIG_ERR, "unexpected argument '%.128s'; see exitstatd --help",
			 argv[optind]);
		r = -EINVAL;
	}
	return r;
}

static int load_environment(struct es_config *c, char *err)
{
	const char *path = getenv("EXITSTAT_SOCKET");

	return path && *path ? set(&settings[0], c, path, err) : 0;
}

static void load_defaults(struct es_config *c)
{
	char err[ES_CONFIG_ERR];

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < N_SETTINGS; i++)
		set(&settings[i], c, settings[i].def, err);
}

int es_config_load(int argc, char **argv, struct es_config *out, char err[ES_CONFIG_ERR])
{
	bool config_given = false;
	struct es_config c;
	int r;

	/* The command line goes first to find --config, and last because it wins. */
	load_defaults(&c);
	r = load_args(argc, argv, &c, &config_given, err);
	if (r == 0 && !c.help && !c.version && !c.options) {
		char file[PATH_MAX];

		memcpy(file, c.file, sizeof(file));
		load_defaults(&c);
		memcpy(c.file, file, sizeof(file));
		r = load_file(&c, config_given, err);
		if (r == 0)
			r = load_environment(&c, err);
		if (r == 0)
			r = load_args(argc, argv, &c, &config_given, err);
	}
	if (r == 0)
		*out = c;
	return r;
}

/* Then the option to know of is the one that switches it off. */
static bool is_on(const struct setting *s)
{
	return s->kind == KIND_BOOL && !strcmp(s->def, "yes");
}

void es_config_help(FILE *f)
{
	fputs("Usage: exitstatd [OPTION]...\n"
	      "Measures why KVM guests exit and serves it to exitstat(1). Runs in the foreground.\n\n",
	      f);
	for (size_t i = 0; i < N_SETTINGS; i++) {
		const struct setting *s = &settings[i];
		char left[48];

		if (!s->help)
			continue;
		snprintf(left, sizeof(left), "--%s%s%s%s", is_on(s) ? "no-" : "", s->name, s->arg ? " " : "",
			 s->arg ? s->arg : "");
		fprintf(f, "  %-18s %s", left, s->help);
		if (s->arg && *s->def)
			fprintf(f, " (%s)", s->def);
		fputc('\n', f);
	}
	fputs("\nThe config file has the same names without dashes, as key = value; SIGHUP reads it again.\n"
	      "See exitstatd(8).\n",
	      f);
}

void es_config_table(FILE *f)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		const struct setting *s = &settings[i];
		char name[40];

		snprintf(name, sizeof(name), "--%s", s->name);
		if (s->help && !is_on(s))
			es_options_line(f, "-", name, NULL, s->arg, s->help);
		snprintf(name, sizeof(name), "--no-%s", s->name);
		if (s->help && (s->kind == KIND_BOOL || s->kind == KIND_MMU))
			es_options_line(f, "-", name, NULL, NULL, s->help);
	}
}

static size_t member_size(const struct setting *s)
{
	switch (s->kind) {
	case KIND_TEXT:
		return s->max;
	case KIND_TIME:
	case KIND_COUNT:
		return sizeof(uint64_t);
	case KIND_MMU:
		return sizeof(int);
	default:
		return sizeof(bool);
	}
}

void es_config_apply(struct es_config *cfg, const struct es_config *next)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		const struct setting *s = &settings[i];
		char *to = (char *)cfg + s->offset;
		const char *from = (const char *)next + s->offset;
		bool same = s->kind == KIND_TEXT ? !strcmp(to, from) : !memcmp(to, from, member_size(s));

		if (same)
			continue;
		if (s->flags & LIVE)
			memcpy(to, from, member_size(s));
		es_info("%s %s", s->name,
			s->flags & LIVE ? "changed"
					: "differs in the config file: takes effect at the next start");
	}
}
