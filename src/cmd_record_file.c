// SPDX-License-Identifier: GPL-2.0-only
/* The file that a recording goes to: whole lines, or none. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <exitstat/json.h>
#include <exitstat/record.h>
#include <exitstat/recording.h>
#include <exitstat/util.h>

static int fail(char err[ES_CLIENT_ERR], int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(char err[ES_CLIENT_ERR], int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, ES_CLIENT_ERR, fmt, ap);
	va_end(ap);
	return -error;
}

static const char *name_of(const struct es_record_file *f)
{
	return strcmp(f->path, "-") == 0 ? "standard output" : f->path;
}

static int open_path(const char *path, bool force)
{
	struct stat st;
	/* A device or a pipe has nothing that could be lost. */
	bool fresh = stat(path, &st) < 0 || S_ISREG(st.st_mode);

	if (strcmp(path, "-") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return open(path, O_WRONLY | O_CLOEXEC | (fresh ? O_CREAT | (force ? O_TRUNC : O_EXCL) : 0), 0666);
}

int es_record_open(struct es_record_file *f, const char *path, bool force, char err[ES_CLIENT_ERR])
{
	struct stat st;
	int error;

	*f = (struct es_record_file){ .path = path, .fd = open_path(path, force) };
	error = errno;
	if (f->fd < 0 && error == EEXIST)
		return fail(err, EEXIST, "%s exists; --force overwrites it", path);
	if (f->fd < 0)
		return fail(err, error, "cannot write %s: %s", name_of(f), strerror(error));
	f->regular = strcmp(path, "-") != 0 && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
	/* A limit on the size of files is an error like a full disk, not the end of the process. */
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

static int write_failed(struct es_record_file *f, int error, char err[ES_CLIENT_ERR])
{
	bool whole = f->regular && ftruncate(f->fd, (off_t)f->bytes) == 0;

	if (!f->looks)
		return fail(err, error, "cannot write %s: %s", name_of(f), strerror(error));
	return fail(err, error, "cannot write %s: %s; the %llu look%s before %s%s", name_of(f),
		    strerror(error), (unsigned long long)f->looks, f->looks == 1 ? "" : "s",
		    f->looks == 1 ? "is in it" : "are in it", whole ? "" : ", and a piece of the next");
}

int es_record_write(struct es_record_file *f, const struct es_snapshot *s, char err[ES_CLIENT_ERR])
{
	size_t len, done = 0;
	_cleanup_free_ char *text = es_snapshot_to_json(s, false, false, &len);

	if (!text)
		return fail(err, ENOMEM, "out of memory");
	if (len > ES_RECORDING_LINE_MAX)
		return fail(err, EFBIG,
			    "a snapshot of %zu VMs is longer than the %lu MiB that a line may have; choose "
			    "VMs with "
			    "--vm",
			    s->n_vms, ES_RECORDING_LINE_MAX >> 20);
	text[len++] = '\n'; /* in the place of the NUL: a line is one write */
	while (done < len) {
		ssize_t n = write(f->fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return write_failed(f, n < 0 ? errno : EIO, err);
		done += (size_t)n;
	}
	f->bytes += len;
	f->looks++;
	return 0;
}

int es_record_close(struct es_record_file *f, char err[ES_CLIENT_ERR])
{
	int error = 0;

	if (f->regular && fsync(f->fd) < 0 && errno != EINVAL && errno != EROFS)
		error = errno;
	if (close(f->fd) < 0 && !error && errno != EINTR)
		error = errno;
	f->fd = -1;
	return error ? fail(err, error, "cannot write %s: %s", name_of(f), strerror(error)) : 0;
}
