// SPDX-License-Identifier: GPL-2.0
/* Helpers for sockets. */
#include <net/inet_sock.h>
#include <net/sock.h>

#include "../helpers.h"

struct sock *rust_helper_sk_to_full_sk(struct sock *sk)
{
	return sk_to_full_sk(sk);
}

bool rust_helper_sk_is_kern(const struct sock *sk)
{
	return sk->sk_kern_sock;
}

u32 rust_helper_sk_uid(const struct sock *sk)
{
	return from_kuid_munged(&init_user_ns, sk_uid(sk));
}

u64 rust_helper_sk_cookie(const struct sock *sk)
{
	return atomic64_read(&sk->sk_cookie);
}
