// SPDX-License-Identifier: GPL-2.0-only
#include "daemon_unpin.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <exitstat/log.h>

#include "daemon_ended.h"
#include "loader_pin.h"

int es_unpin(const struct es_config *cfg)
{
	int programs = es_pins_remove(cfg->pin_dir), ended = programs < 0 ? 0 : es_ended_remove(cfg->socket);
	int r = programs < 0 ? programs : ended < 0 ? ended : 0;

	if (r == -EBUSY)
		es_error("an exitstatd runs with what is pinned in %s: stop it first", cfg->pin_dir);
	else if (r < 0)
		es_error("cannot remove what is pinned in %s: %s%s", cfg->pin_dir, strerror(-r),
			 geteuid() ? "; run sudo exitstatd --unpin" : "");
	else if (programs + ended)
		es_info("removed: %s, and VMs that ended", cfg->pin_dir);
	else
		es_info("nothing is pinned in %s", cfg->pin_dir);
	return r;
}
