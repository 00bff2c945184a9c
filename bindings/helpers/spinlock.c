// SPDX-License-Identifier: GPL-2.0
/* Helpers for spin locks that interrupt handlers may take. */
#include <linux/spinlock.h>

#include "../helpers.h"

unsigned long nf_tracer_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

bool nf_tracer_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	return spin_trylock_irqsave(lock, *flags);
}

void rust_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}
