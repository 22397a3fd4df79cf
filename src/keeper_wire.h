/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages between exitstatd's two processes, on a SOCK_SEQPACKET pair: one question, one answer, each of a fixed
 * layout. The keeper believes nothing of a question: whoever sends it may have been taken over by a hostile client.
 */
#ifndef EXITSTAT_KEEPER_WIRE_H
#define EXITSTAT_KEEPER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "loader.h"
#include "loader_pin.h"

#define ES_KEEPER_SLOTS	 1024 /* in one question */
#define ES_KEEPER_EVENTS 1024 /* in one answer */
#define ES_KEEPER_TEXT	 512
#define ES_KEEPER_FDS	 2

enum es_keeper_op {
	ES_ASK_START, /* told unasked, once: what came of loading, and text: es_loader_build(); fds: the slots, the announcements */
	ES_ASK_ATTACH_LIFE,
	ES_ASK_DETACH_LIFE,
	ES_ASK_ATTACH_EXITS, /* isa, build */
	ES_ASK_DETACH_EXITS,
	ES_ASK_SLOT_END,     /* slot, now */
	ES_ASK_SLOT_FREE,    /* slot */
	ES_ASK_PARK,	     /* n: slots, states; answers n: parked */
	ES_ASK_READ_THREADS, /* n: slots */
	ES_ASK_FORGET_THREADS,
	ES_ASK_EVENTS, /* answers n: events; ES_KEEPER_EVENTS of them: there may be more */
	ES_ASK_HEALTH,
	ES_ASK_COUNTS,
	ES_ASK_STATUS,
	ES_ASK_EXPLAIN,	    /* id; answers text */
	ES_ASK_EXPLAIN_PIN, /* answers r: 1 or 0, text */
	ES_ASK_STATS_ON,    /* fd, or text */
	ES_ASK_DEBUGFS,	    /* fd, or text */
	ES_ASK_THREAD_CALL, /* slot; answers n: text */
	ES_ASK_EXE,	    /* slot; answers n: text */
	ES_ASK_OPS
};

struct es_keeper_question {
	uint32_t op;
	uint32_t n;
	union {
		uint32_t id;
		struct {
			uint32_t isa;
			char build[ES_BUILD_MAX];
		};
		struct {
			uint32_t slot;
			uint64_t now;
		};
		struct {
			uint32_t slots[ES_KEEPER_SLOTS];
			uint8_t states[ES_KEEPER_SLOTS];
		};
	};
};

/* In every answer. */
struct es_keeper_state {
	uint64_t epoch;
	uint64_t lost[ES_HEALTH_MAX]; /* by enum es_health */
	uint32_t flags;
	bool attached, life, typed, latency, waits;
	bool optional[ES_OPTIONALS];
	struct es_mmu_measured mmu;
};

struct es_keeper_answer {
	int32_t r; /* 0 or more, or negative errno */
	uint32_t n;
	struct es_keeper_state state;
	union {
		char text[ES_KEEPER_TEXT]; /* ends in a NUL */
		bool parked[ES_KEEPER_SLOTS];
		struct es_event events[ES_KEEPER_EVENTS];
		struct es_loader_health health;
		struct es_cost_counts counts;
		struct {
			struct es_program_status programs[ES_STATUS_PROGRAMS];
			uint32_t n_programs;
			uint64_t map_bytes, cpu_ns, rss_bytes;
		};
	};
};

#endif
