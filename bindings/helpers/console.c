// SPDX-License-Identifier: GPL-2.0
/* Helpers for consoles. */
#include <linux/console.h>

#include "../helpers.h"

bool nf_tracer_serial_console_shows_info(void)
{
	struct console *console;
	bool found = false;
	int cookie;

	if (console_loglevel <= LOGLEVEL_INFO)
		return false;
	cookie = console_srcu_read_lock();
	for_each_console_srcu(console) {
		if ((console_srcu_read_flags(console) & CON_ENABLED) &&
		    strncmp(console->name, "tty", 3) == 0 && console->name[3])
			found = true;
	}
	console_srcu_read_unlock(cookie);
	return found;
}
