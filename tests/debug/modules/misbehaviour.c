// SPDX-License-Identifier: GPL-2.0
/*
 * Does something wrong, by 'insmod misbehaver.ko kind=KIND', so that it can be
 * seen that whoever is to report it does. It never stays: insmod says EAGAIN.
 *
 * The wrong is done by a thread of its own, as some of it ends the thread.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "panics.h"

/* The detectors of stalls are told not to wait that long. That of RCU's adds five of its own. */
#define STALL_SECONDS 4
#define RCU_STALL_SECONDS (STALL_SECONDS + 7)

static char *kind = "nothing";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "what to do wrong");

/* So that the compiler does not see what is wrong. */
static unsigned int four = 4;

static void do_nothing(void)
{
}

static void use_rcu_without_lock(void)
{
	static int __rcu *pointer;

	rcu_dereference(pointer);
}

static void lock_in_both_orders(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep_in_atomic(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
}

/* The scheduler sets the count right after its report. */
static void schedule_in_atomic(void)
{
	preempt_disable();
	schedule();
}

/* A mistake with PREEMPT_RT only, where the lock may sleep. */
static void take_spinlock_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	preempt_disable();
	spin_lock(&lock);
	spin_unlock(&lock);
	preempt_enable();
}

/* This one is looked for by DEBUG_PREEMPT. */
static void ask_for_cpu(void)
{
	pr_info("on CPU %u\n", smp_processor_id());
}

static void warn(void)
{
	WARN(1, "misbehaver\n");
}

static void overput_refcount(void)
{
	refcount_t count = REFCOUNT_INIT(1);

	refcount_dec(&count);
}

static void remove_twice(void)
{
	struct list_head head = LIST_HEAD_INIT(head), entry;

	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

static void expire(struct timer_list *timer)
{
}

static void free_active_timer(void)
{
	struct timer_list *timer = kzalloc_obj(*timer);

	timer_setup(timer, expire, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

static void shift_too_far(void)
{
	static unsigned int sum;

	WRITE_ONCE(sum, 1U << (READ_ONCE(four) * 10));
}

static void use_after_free(void)
{
	u8 *memory = kmalloc(64, GFP_KERNEL);

	kfree(memory);
	READ_ONCE(*memory);
}

static void use_beyond_end(void)
{
	u8 *memory = vmalloc(PAGE_SIZE - 8);

	READ_ONCE(memory[PAGE_SIZE - READ_ONCE(four)]);
	vfree(memory);
}

static void leave_object_in_cache(void)
{
	struct kmem_cache *cache = kmem_cache_create("misbehaver", 64, 0, SLAB_NO_MERGE, NULL);

	kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_destroy(cache);
}

/* Several, as what is left on a stack may look like a pointer to one. */
static void leak(void)
{
	int i;

	for (i = 0; i < 8; i++)
		kmalloc(64, GFP_KERNEL);
}

static struct net_device *device;

static void put_device_late(struct work_struct *work)
{
	dev_put(device);
}

static void hold_device(void)
{
	static DECLARE_DELAYED_WORK(work, put_device_late);
	static const struct net_device_ops ops = {};

	device = alloc_netdev(0, "misbehaver%d", NET_NAME_ENUM, ether_setup);
	device->netdev_ops = &ops;
	device->needs_free_netdev = true;
	if (register_netdev(device))
		return;
	dev_hold(device);
	schedule_delayed_work(&work, STALL_SECONDS * HZ);
	unregister_netdev(device);
	flush_delayed_work(&work);
}

static void block(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(STALL_SECONDS * HZ);
}

/* As the detectors count time: by a clock's ticks, not by loops as mdelay() does. */
static void spin(unsigned int seconds)
{
	unsigned long end = jiffies + seconds * HZ;

	while (time_before(jiffies, end))
		cpu_relax();
}

static void lock_up_cpu(void)
{
	preempt_disable();
	spin(STALL_SECONDS);
	preempt_enable();
}

static void stall_grace_period(void)
{
	rcu_read_lock();
	start_poll_synchronize_rcu();
	spin(RCU_STALL_SECONDS);
	rcu_read_unlock();
}

static void use_null(void)
{
	static u64 *null;

	READ_ONCE(READ_ONCE(null)[1]);
}

static void use_wild_pointer(void)
{
	static u64 *wild = (u64 *)0x6b6b6b6b6b6b6b6bUL;

	READ_ONCE(*READ_ONCE(wild));
}

static void overflow_in_rust(void)
{
	misbehaver_overflow(UINT_MAX);
}

static void assert_in_rust(void)
{
	misbehaver_assert(READ_ONCE(four));
}

static void index_in_rust(void)
{
	misbehaver_index(READ_ONCE(four));
}

static const struct misbehaviour {
	const char *kind;
	void (*run)(void);
	/* Ends the thread. */
	bool fatal;
} misbehaviours[] = {
	{ "nothing", do_nothing },
	{ "suspicious-rcu", use_rcu_without_lock },
	{ "lock-order", lock_in_both_orders },
	{ "atomic-sleep", sleep_in_atomic },
	{ "atomic-schedule", schedule_in_atomic },
	{ "atomic-spinlock", take_spinlock_in_atomic },
	{ "this-cpu", ask_for_cpu },
	{ "warn", warn },
	{ "refcount", overput_refcount },
	{ "list", remove_twice },
	{ "object", free_active_timer },
	{ "ubsan", shift_too_far },
	{ "use-after-free", use_after_free },
	{ "beyond-end", use_beyond_end },
	{ "slab", leave_object_in_cache },
	{ "leak", leak },
	{ "held-device", hold_device },
	{ "hung-task", block },
	{ "soft-lockup", lock_up_cpu },
	{ "rcu-stall", stall_grace_period },
	{ "null", use_null, true },
	{ "wild-pointer", use_wild_pointer, true },
	{ "rust-overflow", overflow_in_rust, true },
	{ "rust-assertion", assert_in_rust, true },
	{ "rust-index", index_in_rust, true },
};

static DECLARE_COMPLETION(done);

static int misbehave(void *which)
{
	const struct misbehaviour *it = which;

	it->run();
	complete(&done);
	/* Until init has seen it: this code is freed then. */
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static int __init misbehaver_init(void)
{
	const struct misbehaviour *it = misbehaviours;
	const struct misbehaviour *end = it + ARRAY_SIZE(misbehaviours);
	struct task_struct *thread;

	while (it != end && strcmp(it->kind, kind) != 0)
		it++;
	if (it == end)
		return -EINVAL;
	thread = kthread_run(misbehave, (void *)it, "misbehaver");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (it->fatal) {
		msleep(500);
	} else {
		wait_for_completion(&done);
		kthread_stop(thread);
	}
	return -EAGAIN;
}
module_init(misbehaver_init);

MODULE_DESCRIPTION("Does what the kernel is to report");
MODULE_AUTHOR("The nf_tracer authors");
MODULE_LICENSE("GPL");
