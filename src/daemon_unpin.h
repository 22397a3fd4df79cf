/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXITSTAT_DAEMON_UNPIN_H
#define EXITSTAT_DAEMON_UNPIN_H

#include <exitstat/config.h>

/* exitstatd --unpin: removes what --pin left, and says what that was. 0 or negative errno. */
int es_unpin(const struct es_config *cfg);

#endif
