// SPDX-License-Identifier: GPL-2.0-only
/*
 * existing: connections that live through attach, detach and whatever else happens around them. Keeps
 * request- response going over all of them and prints a line each time the number of hopping connections
 * changes.
 *
 * existing [-n CONNS] [-s SECONDS] [-u HOPPING]
 *   first line: "existing ready conns=N", when all are established and have exchanged bytes
 *   then:       "existing hopping=K conns=N t=SECONDS"
 *   -u: end as soon as exactly HOPPING connections hop; exit status 1 if that does not come within -s
 */
#include "sock.h"

int main(int argc, char **argv)
{
	int c, i, hopping, seen = -1, n = 20, until = -1, err;
	double start, secs = 10;
	int(*pair)[2];

	while ((c = getopt(argc, argv, "n:s:u:")) != -1) {
		if (c == 'n')
			n = atoi(optarg);
		else if (c == 's')
			secs = atof(optarg);
		else if (c == 'u')
			until = atoi(optarg);
		else
			return EXIT_SETUP;
	}
	raise_fd_limit();
	pair = calloc(n, sizeof(*pair));
	tcp_pairs(pair, n);
	for (i = 0; i < n; i++)
		round_trip(pair[i][0], pair[i][1], RR_SIZE);
	printf("existing ready conns=%d\n", n);
	fflush(stdout);
	for (start = now(); now() < start + secs;) {
		for (hopping = i = 0; i < n; i++) {
			hopping += hops(pair[i][0], pair[i][1]);
			err = round_trip(pair[i][0], pair[i][1], 200);
			if (err) {
				printf("existing broken conn=%d error=%s\n", i, err_name(err));
				return EXIT_FAULT;
			}
		}
		if (hopping == seen)
			continue;
		seen = hopping;
		printf("existing hopping=%d conns=%d t=%.3f\n", hopping, n, now() - start);
		fflush(stdout);
		if (hopping == until)
			return 0;
	}
	return until >= 0;
}
