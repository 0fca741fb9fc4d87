// SPDX-License-Identifier: GPL-2.0-only
#include "cmd.h"
#include "util.h"
int cmd_check(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return EXIT_FAIL;
}
