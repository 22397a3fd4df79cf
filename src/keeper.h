/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exitstatd is two processes. The keeper has the privileges: it loads the BPF programs, puts them on KVM, and holds the
 * maps (loader.h). It knows nothing of clients, recordings or VMs' names, and outlives the other one only to clean up.
 * This is the other one's side, which has no privilege: loader.h by messages (keeper_wire.h). It reads the slots in
 * memory that it cannot write. One thread.
 *
 * What a dead keeper is asked answers nothing (0, false, -EPIPE); es_keeper_fd() is then readable.
 */
#ifndef EXITSTAT_KEEPER_H
#define EXITSTAT_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <exitstat/abi.h>
#include <exitstat/listen.h>
#include <exitstat/status.h>

#include "loader.h"
#include "loader_pin.h"

struct es_keeper;

/*
 * Forks the keeper, which removes the socket of listen when this process is gone, however that happened. With loader, it
 * also has the programs; NULL: es_keeper_fd and es_keeper_free are all there is. Waits until it has loaded them. On
 * failure a negative errno, and in err one line that names the cause and the remedy.
 */
int es_keeper_start(const struct es_loader_options *loader, struct es_listen *listen, struct es_keeper **out,
		    char *err, size_t size);
/* Ends it and waits for that. NULL is fine. */
void es_keeper_free(struct es_keeper *k);
/* Readable or hung up: the keeper is dead. */
int es_keeper_fd(const struct es_keeper *k);
/* After that: why, for people. */
void es_keeper_explain_death(struct es_keeper *k, char *buf, size_t size);

/* --- as in loader.h --- */

int es_keeper_attach_life(struct es_keeper *k, char *err, size_t size);
void es_keeper_detach_life(struct es_keeper *k);
int es_keeper_attach_exits(struct es_keeper *k, enum es_isa isa, const char *build, char *err, size_t size);
/* As of the start. */
const char *es_keeper_build(const struct es_keeper *k);
bool es_keeper_pin_explain(struct es_keeper *k, char *buf, size_t size);
void es_keeper_detach_exits(struct es_keeper *k);
/* These are as of the last message. */
bool es_keeper_attached(const struct es_keeper *k);
bool es_keeper_life_attached(const struct es_keeper *k);
bool es_keeper_typed(const struct es_keeper *k);
bool es_keeper_latency(const struct es_keeper *k);
bool es_keeper_waits(const struct es_keeper *k);
uint64_t es_keeper_epoch(const struct es_keeper *k);
const struct es_mmu_measured *es_keeper_mmu(const struct es_keeper *k);
uint32_t es_keeper_flags(const struct es_keeper *k);
bool es_keeper_optional_attached(const struct es_keeper *k, enum es_optional_id id);
void es_keeper_optional_explain(struct es_keeper *k, enum es_optional_id id, char *buf, size_t size);

const struct es_slot *es_keeper_slots(const struct es_keeper *k, unsigned int *n);
void es_keeper_slot_end(struct es_keeper *k, uint32_t slot, uint64_t now);
int es_keeper_slot_free(struct es_keeper *k, uint32_t slot);
/* parked[i]: slots[i] was in states[i] and is marked now: nobody looks at it until it is announced. */
void es_keeper_park(struct es_keeper *k, const uint32_t *slots, const uint8_t *states, size_t n,
		    bool *parked);
void es_keeper_read_threads(struct es_keeper *k, const uint32_t *slots, size_t n);
void es_keeper_forget_threads(struct es_keeper *k);

int es_keeper_events_fd(const struct es_keeper *k);
int es_keeper_events_drain(struct es_keeper *k, es_announced_fn *announced, void *ctx);

/* Of enum es_health: as of the last message. */
uint64_t es_keeper_lost(const struct es_keeper *k, enum es_health which);
void es_keeper_health(struct es_keeper *k, struct es_loader_health *out);
void es_keeper_counts(struct es_keeper *k, struct es_cost_counts *out);
/* Also what the keeper itself has taken, in st->cpu_ns and rss_bytes. */
void es_keeper_status(struct es_keeper *k, struct es_status *st);
/* An fd, or negative errno: see es_bpf_stats_on(). */
int es_keeper_stats_on(struct es_keeper *k, char why[ES_COST_WHY]);

/* --- files that only root reads --- */

/* KVM's folder in debugfs, as an fd that is the caller's. Negative errno: why says why not, and the remedy. */
int es_keeper_debugfs(struct es_keeper *k, char *why, size_t size);
/* /proc/PID/task/TID/syscall of the thread that ran this slot's vCPU last: its length, with a NUL after it; or -errno. */
int es_keeper_thread_call(struct es_keeper *k, uint32_t slot, char *buf, size_t size);
/* What /proc/PID/exe of the slot's process points at, likewise. */
int es_keeper_exe(struct es_keeper *k, uint32_t slot, char *buf, size_t size);

#endif
