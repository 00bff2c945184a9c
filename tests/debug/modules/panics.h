/* SPDX-License-Identifier: GPL-2.0 */
/* What panics.rs has for misbehaviour.c. */
#ifndef MISBEHAVER_PANICS_H
#define MISBEHAVER_PANICS_H

#include <linux/types.h>

u32 misbehaver_overflow(u32 number);
void misbehaver_assert(u32 number);
u8 misbehaver_index(u32 number);

#endif
