//go:build ignore

/*
 * sendfile PORT FILE: one growing file to many clients, a thread for each.
 *
 * It is the limit for bulk: once the header is read a client's thread does
 * nothing but sendfile, so all that is left is the kernel's own work. It
 * leaves out whatever a real server owes (rotation, limits, time-outs).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_MAX = 255, SEND_BUFFER = 256 << 10, STACK = 64 << 10, SPAN_MAX = 1 << 30 };

static int file;                /* one descriptor for all: sendfile is given the offset */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t grown = PTHREAD_COND_INITIALIZER;
static off_t size;              /* guarded by lock */

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static off_t stat_size(void)
{
	struct stat st;

	if (fstat(file, &st) < 0)
		die("fstat");
	return st.st_size;
}

/* Waits until the file is longer than off and returns its length. */
static off_t wait_beyond(off_t off)
{
	off_t end;

	pthread_mutex_lock(&lock);
	while (size <= off)
		pthread_cond_wait(&grown, &lock);
	end = size;
	pthread_mutex_unlock(&lock);
	return end;
}

/* Announces each growth. The watch is older than the first fstat, so no growth is missed. */
static void *watch(void *arg)
{
	int in = *(int *)arg;
	char events[4096];

	for (;;) {
		pthread_mutex_lock(&lock);
		size = stat_size();
		pthread_cond_broadcast(&grown);
		pthread_mutex_unlock(&lock);
		if (read(in, events, sizeof events) < 0 && errno != EINTR)
			die("read inotify");
	}
}

/* Reads "N\n" and resolves it; -1 if it is no header. */
static off_t read_offset(int fd)
{
	char line[HEADER_MAX + 1], *end;
	int len = 0;

	while (len < HEADER_MAX) {
		ssize_t n = read(fd, line + len, HEADER_MAX - len);
		if (n <= 0)
			return -1;
		len += n;
		if (line[len - 1] == '\n')
			break;
	}
	line[len] = 0;
	long long off = strtoll(line, &end, 10);
	if (end == line || *end != '\n')
		return -1;
	if (off < 0)
		off += stat_size();
	return off < 0 ? 0 : off;
}

static void *serve(void *arg)
{
	int fd = (int)(long)arg;
	off_t off = read_offset(fd);

	while (off >= 0) {
		off_t end = wait_beyond(off);
		while (off < end) {
			size_t span = end - off < SPAN_MAX ? end - off : SPAN_MAX;
			ssize_t n = sendfile(fd, file, &off, span);
			if (n == 0 || (n < 0 && errno != EINTR))
				goto gone;
		}
	}
gone:
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: sendfile PORT FILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	int in = inotify_init1(IN_CLOEXEC);
	if (in < 0 || inotify_add_watch(in, argv[2], IN_MODIFY) < 0)
		die(argv[2]);
	if ((file = open(argv[2], O_RDONLY | O_CLOEXEC)) < 0)
		die(argv[2]);

	int on = 1, buffer = SEND_BUFFER, ln = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(ln, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(ln, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(ln, SOMAXCONN) < 0)
		die("listen");

	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, watch, &in))
		die("pthread_create");
	for (;;) {
		int fd = accept(ln, NULL, NULL);
		if (fd < 0)
			die("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
		if (pthread_create(&thread, &attr, serve, (void *)(long)fd))
			close(fd);
	}
}
