//go:build ignore

/*
 * epoll PORT FILE: one growing file to many clients from one event loop.
 *
 * It is the limit for latency: no thread is woken but this one, and a growth
 * goes to every client in one pass, without Nagle's delay. It leaves out
 * whatever a real server owes (rotation, limits, time-outs).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_MAX = 255, EVENTS = 1024, SPAN_MAX = 1 << 20, SEND_BUFFER = 256 << 10 };

struct client {
	int fd, slot;           /* its place in clients */
	int streaming;          /* the header is read */
	int len;
	char line[HEADER_MAX + 1];
	off_t off;
};

static int file, loop;
static off_t size;
static struct client **clients;
static int count, room;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void look(void)
{
	struct stat st;

	if (fstat(file, &st) < 0)
		die("fstat");
	size = st.st_size;
}

static void forget(struct client *c)
{
	clients[c->slot] = clients[--count];
	clients[c->slot]->slot = c->slot;
	close(c->fd);           /* which takes it out of the loop */
	free(c);
}

/* Sends until the client is full or has everything; 0 once it is gone. */
static int push(struct client *c)
{
	while (c->streaming && c->off < size) {
		size_t span = size - c->off < SPAN_MAX ? size - c->off : SPAN_MAX;
		ssize_t n = sendfile(c->fd, file, &c->off, span);
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n == 0 || (n < 0 && errno != EINTR)) {
			forget(c);
			return 0;
		}
	}
	return 1;
}

/* Takes what came of "N\n" and resolves it once it is whole; 0 if it is no header. */
static int read_header(struct client *c)
{
	char *end;
	ssize_t n = read(c->fd, c->line + c->len, HEADER_MAX - c->len);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->len += n;
	c->line[c->len] = 0;
	if (c->line[c->len - 1] != '\n')
		return c->len < HEADER_MAX;
	long long off = strtoll(c->line, &end, 10);
	if (end == c->line || *end != '\n')
		return 0;
	look();
	if (off < 0)
		off += size;
	c->off = off < 0 ? 0 : off;
	c->streaming = 1;
	return 1;
}

static void handle(struct client *c, unsigned events)
{
	if (events & (EPOLLERR | EPOLLHUP)) {
		forget(c);
		return;
	}
	if (!c->streaming && !read_header(c)) {
		forget(c);
		return;
	}
	push(c);
}

static void welcome(int ln)
{
	int on = 1, buffer = SEND_BUFFER, fd;

	while ((fd = accept4(ln, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct client *c = calloc(1, sizeof *c);
		if (count == room) {
			room = room ? 2 * room : 1024;
			clients = realloc(clients, room * sizeof *clients);
		}
		if (!c || !clients)
			die("memory");
		c->fd = fd;
		c->slot = count;
		clients[count++] = c;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
		/* Edge-triggered: told once when there is room again, never while there is. */
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
		if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ev) < 0)
			die("epoll_ctl");
	}
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		die("accept");
}

static void add(int *fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = fd };

	if (epoll_ctl(loop, EPOLL_CTL_ADD, *fd, &ev) < 0)
		die("epoll_ctl");
}

static void run(int *ln, int *in)
{
	static struct epoll_event events[EVENTS];
	char notes[4096];

	for (;;) {
		int grown = 0, n = epoll_wait(loop, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			void *who = events[i].data.ptr;
			if (who == in)
				grown = read(*in, notes, sizeof notes) > 0;
			else if (who == ln)
				welcome(*ln);
			else
				handle(who, events[i].events);
		}
		/* After the batch, so that no event of it can name a client forgotten here. */
		if (!grown)
			continue;
		look();
		for (int i = 0; i < count; )
			i += push(clients[i]); /* one that is gone leaves its slot to the last */
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: epoll PORT FILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (in < 0 || inotify_add_watch(in, argv[2], IN_MODIFY) < 0)
		die(argv[2]);
	if ((file = open(argv[2], O_RDONLY | O_CLOEXEC)) < 0)
		die(argv[2]);
	look();

	int on = 1, ln = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(ln, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(ln, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(ln, SOMAXCONN) < 0)
		die("listen");
	if ((loop = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll_create1");
	add(&in);
	add(&ln);
	run(&ln, &in);
}
