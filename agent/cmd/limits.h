/* SPDX-License-Identifier: GPL-2.0-only */
/* limits.h: the options that `attach` and `run` share, for arguments that begin with lifecycle_options; and
 * configuration files. */
#ifndef SOCKHOP_CMD_LIMITS_H
#define SOCKHOP_CMD_LIMITS_H

#include "cmd.h"
#include "agent/daemon/lifecycle.h"

#define CMD_DAY	 86400u
#define CMD_YEAR (365 * CMD_DAY)

/* It does not know rows of a table in a macro. */
/* clang-format off */
#define CMD_ATTACH_OPTIONS                                                                                  \
	{                                                                                                    \
		.name = "policy",                                                                            \
		.type = CMD_STRING,                                                                          \
		.offset = offsetof(struct lifecycle_options, policy_file),                                     \
		.arg = "FILE",                                                                               \
		.completes = CMD_FILES,                                                                      \
		.help = "rules that say which connections may hop (see `sockhop policy`)",                   \
		.more = "*POLICY* in *sockhop*(8) has their language.",                                      \
	}, {                                                                                                 \
		.name = "max-connections",                                                                   \
		.type = CMD_NUMBER,                                                                          \
		.offset = offsetof(struct lifecycle_options, max_connections),                                 \
		.arg = "N",                                                                                  \
		.min = 1,                                                                                    \
		.max = 10000000,                                                                             \
		.preset = DEFAULT_MAX_CONNECTIONS,                                                           \
		.help = "limit of connections that hop at a time",                                           \
		.more = "More of them stay on TCP. It is fixed when the instance is made.",                  \
	}, {                                                                                                 \
		.name = "idle-timeout",                                                                      \
		.type = CMD_SECONDS,                                                                         \
		.offset = offsetof(struct lifecycle_options, idle_timeout),                                    \
		.arg = "S",                                                                                  \
		.max = CMD_YEAR,                                                                             \
		.preset = DEFAULT_IDLE_TIMEOUT,                                                              \
		.zero = "never",                                                                             \
		.help = "a pair silent for S seconds goes back to TCP until it talks again",                 \
		.more = "It must be silent both ways, and gives its kernel memory back. Pairs that joined "  \
			"by an *early* rule stay.",                                                          \
	}, {                                                                                                 \
		.name = "heartbeat",                                                                         \
		.type = CMD_SECONDS,                                                                         \
		.offset = offsetof(struct lifecycle_options, heartbeat),                                       \
		.arg = "S",                                                                                  \
		.max = CMD_DAY,                                                                              \
		.preset = DEFAULT_HEARTBEAT,                                                                 \
		.zero = "never",                                                                             \
		.help = "one message of each direction takes TCP every S seconds, so that firewalls and "    \
			"NAT see the connection",                                                            \
		.more = "Conntrack and load balancers see that it lives, too, and a "                        \
			"firewall rule that drops its packets stops all messages of that direction within "  \
			"_S_ seconds. It is fixed when the instance is made.",                               \
	}, {                                                                                                 \
		.name = "observe",                                                                           \
		.type = CMD_FLAG,                                                                            \
		.offset = offsetof(struct lifecycle_options, observe),                                         \
		.help = "judge all connections, and let none join: see `sockhop advise`",                    \
		.more = "All their messages stay on TCP. It is fixed when the instance is made: *sockhop "   \
			"detach* it and attach again to let them join.",                                     \
	}
/* clang-format on */

#endif
