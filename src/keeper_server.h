/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXITSTAT_KEEPER_SERVER_H
#define EXITSTAT_KEEPER_SERVER_H

#include "loader.h"

/* Loads the programs (o NULL: none), tells what came of it, and answers peer's questions until that is closed. */
void es_keeper_serve(int peer, const struct es_loader_options *o);

#endif
