/* SPDX-License-Identifier: GPL-2.0 */
/* What adding.rs has for racing.c. */
#ifndef RACER_ADDING_H
#define RACER_ADDING_H

#include <linux/types.h>

void racer_add_in_rust(u64 *number);

#endif
