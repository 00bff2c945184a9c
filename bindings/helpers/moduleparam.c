// SPDX-License-Identifier: GPL-2.0
/* Helpers for a module's parameters. */
#include <linux/moduleparam.h>

#include "../helpers.h"

void rust_helper_kernel_param_lock(struct module *mod)
{
	kernel_param_lock(mod);
}

void rust_helper_kernel_param_unlock(struct module *mod)
{
	kernel_param_unlock(mod);
}
